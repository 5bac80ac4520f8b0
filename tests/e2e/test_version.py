"""What the program says about itself."""

import ctypes
import re
import subprocess

from command import run
from gateway import TOP, binary


def library(name):
    """The shared library that the program is loaded with."""
    linked = subprocess.run(["ldd", binary()], capture_output=True, text=True, check=True).stdout
    return ctypes.CDLL(re.search(rf"{name}\S* => (\S+)", linked)[1])


def text(function, *args):
    """What a function that returns a string says."""
    function.restype = ctypes.c_char_p
    return function(*args).decode()


def test_short_version():
    """-v: one line."""
    done = run("-v")
    assert done.code == 0 and re.fullmatch(r"trainguard \d+\.\d+\.\d+\n", done.out)


def test_the_version_is_the_one_that_is_told():
    """The program, the changes and the deployment examples speak of the same one."""
    version = run("-v").out.split()[1]
    assert version == re.search(r"^## (\S+)$", (TOP / "CHANGES.md").read_text(), re.M)[1]
    for path in (TOP / "conf/deploy/kubernetes").glob("*.yaml"):
        assert set(re.findall(r"image: trainguard:(\S+)", path.read_text())) <= {version}, path


def test_long_version_tells_the_libraries_that_run():
    """-V: what the libraries themselves say, not the headers of the build."""
    done = run("-V")
    assert done.code == 0
    said = dict(line.split(" ", 1) for line in done.out.splitlines())
    pcre2 = ctypes.create_string_buffer(64)
    library("libpcre2-8").pcre2_config_8(11, pcre2)  # PCRE2_CONFIG_VERSION
    assert said["libevent"] == text(library("libevent-").event_get_version)
    assert said["OpenSSL"] == text(library("libcrypto").OpenSSL_version, 6)  # OPENSSL_VERSION_STRING
    assert said["PCRE2"] == pcre2.value.decode()
    assert said["c-ares"] == text(library("libcares").ares_version, None)
    assert said["libcurl"] in text(library("libcurl").curl_version)
    assert said["trainguard"] in run("-v").out
    assert re.fullmatch(r"with (GCC|.*[Cc]lang) \d+\.\d+\.\d+.*", said["built"])
