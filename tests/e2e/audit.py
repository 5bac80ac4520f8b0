"""Reads the audit log of a running gateway."""

import collections
import ctypes
import json
import os
import select
import subprocess

from gateway import binary

TIMEOUT = 20
IN_MODIFY = 2
IN_CREATE = 256
libc = ctypes.CDLL(None, use_errno=True)


def records(path, event="outcome"):
    """All whole records so far, of one event."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    parsed = [json.loads(line) for line in lines[:-1]]
    return [r for r in parsed if event is None or r.get("event") == event]


def wait(path, n, event="outcome"):
    """Waits until there are n records of an event; returns all of them."""
    watch = libc.inotify_init()
    try:
        assert libc.inotify_add_watch(watch, os.fsencode(path.parent), IN_MODIFY | IN_CREATE) >= 0
        while len(found := records(path, event)) < n:
            assert select.select([watch], [], [], TIMEOUT)[0], f"{len(found)} records of {n}"
            os.read(watch, 4096)
        return found
    finally:
        os.close(watch)


def ids(path, event="outcome"):
    """How often each request id has a record of that event."""
    return collections.Counter(r["request_id"] for r in records(path, event))


def verify(*files, closed=False):
    """Exit code and words of `trainguard audit verify`."""
    options = ["--closed"] if closed else []
    done = subprocess.run([binary(), "audit", "verify", *options, *map(str, files)],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr
