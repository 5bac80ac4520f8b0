"""Kernel refusals: a process, and all it starts, for which chosen system calls fail (seccomp(2))."""

import ctypes
import errno
import os
import platform
import struct

import pytest

NUMBERS = {  # x86_64, aarch64
    "bind": (49, 200), "clone": (56, 220), "capset": (126, 91), "fchmod": (91, 52), "fchown": (93, 55), "fdatasync": (75, 83),
    "flock": (73, 32), "fsync": (74, 82), "getdents64": (217, 61), "inotify_add_watch": (254, 27),
    "inotify_init1": (294, 26),
    "kill": (62, 129), "landlock_add_rule": (445, 445), "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446), "listen": (50, 201), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "prctl": (157, 167),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "sched_getaffinity": (204, 123), "sched_setaffinity": (203, 122),
    "seccomp": (317, 277), "setgroups": (116, 159), "socket": (41, 198),
}
ALLOW, REFUSE, LOAD, EQUAL, RETURN = 0x7fff0000, 0x00050000, 0x20, 0x15, 0x06
SET_NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2


def number(name):
    """A call's number on this machine; None: it has no such call."""
    machines = ("x86_64", "aarch64")
    if platform.machine() not in machines:
        pytest.skip("system calls have other numbers on this machine")
    return NUMBERS[name][machines.index(platform.machine())]


def statements(name, error, first):
    """BPF: `error` for the call, if `first` is None or its first argument."""
    deny = struct.pack("HBBI", RETURN, 0, 0, REFUSE | error)
    load_number = struct.pack("HBBI", LOAD, 0, 0, 0)
    if first is None:
        return load_number + struct.pack("HBBI", EQUAL, 0, 1, number(name)) + deny
    return (load_number + struct.pack("HBBI", EQUAL, 0, 3, number(name)) + struct.pack("HBBI", LOAD, 0, 0, 16)
            + struct.pack("HBBI", EQUAL, 0, 1, first) + deny)


def refused(*calls, error=errno.EPERM):
    """For `preexec_fn`: the calls fail with `error`. A call is a name, or a name and a first argument."""
    program = b""
    for call in calls:
        name, first = call if isinstance(call, tuple) else (call, None)
        if number(name) is not None:
            program += statements(name, error, first)
    program += struct.pack("HBBI", RETURN, 0, 0, ALLOW)
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def apply():
        if "clone" in calls:
            os.putenv("ASAN_OPTIONS", "detect_leaks=0")  # who looks for leaks is a process, too
        zero = ctypes.c_ulong(0)
        if prctl(SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0 or \
                prctl(SET_SECCOMP, ctypes.c_ulong(FILTER), head, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), "seccomp")

    apply.memory = code  # as long as the function
    return apply
