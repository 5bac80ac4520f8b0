#!/usr/bin/python3
"""Throw-away certificates, made by the `openssl` command: `certs.py DIRECTORY`.

ca.pem signs all of the good and bad ones but two. Each NAME.pem has its NAME.key beside it.
"""

import datetime
import pathlib
import subprocess
import sys

GOOD = "DNS:localhost,DNS:modelarts.test,IP:127.0.0.1"
ELSEWHERE = "DNS:elsewhere.test,IP:127.0.0.9"

# name: issuer, subjectAltName (None: localhost is its common name alone), valid from and to in days from now, key
CERTIFICATES = {
    "server": ("ca", GOOD, -1, 30, "ec"),
    "expired": ("ca", GOOD, -60, -30, "ec"),
    "future": ("ca", GOOD, 30, 60, "ec"),
    "wrong-name": ("ca", ELSEWHERE, -1, 30, "ec"),
    "unknown-ca": ("other-ca", GOOD, -1, 30, "ec"),
    "common-name": ("ca", None, -1, 30, "ec"),
    "workload": ("ca", "URI:spiffe://cluster.test/ns/ml/sa/notebook,DNS:notebook.test", -1, 30, "ec"),
    "dns:notebook.test": ("ca", GOOD, -1, 30, "ec"),
    "rsa": ("ca", GOOD, -1, 30, "rsa2048"),
    "weak-key": ("ca", GOOD, -1, 30, "rsa1024"),
}
KEYS = {
    "ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa2048": ("rsa", "-pkeyopt", "rsa_keygen_bits:2048"),
    "rsa1024": ("rsa", "-pkeyopt", "rsa_keygen_bits:1024"),
}
CONFIG = """
[ca]
database = {dir}/index.txt
new_certs_dir = {dir}
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
[leaf]
{names}
basicConstraints = critical,CA:FALSE
"""


def openssl(*args):
    """Runs the command; its words appear only when it fails."""
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr}")


def self_signed(directory, name, *extra):
    """A certificate signed by its own key."""
    openssl("req", "-x509", "-newkey", *KEYS["ec"], "-nodes", "-days", 30, "-subj", f"/CN={name}",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem", *extra)


def leaf(directory, name):
    """One row of CERTIFICATES."""
    issuer, names, start, end, key = CERTIFICATES[name]
    now = datetime.datetime.now(datetime.timezone.utc)
    when = [(now + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in (start, end)]
    config = directory / "openssl.cnf"
    config.write_text(CONFIG.format(dir=directory, names=f"subjectAltName = {names}" if names else ""))
    openssl("req", "-new", "-newkey", *KEYS[key], "-nodes",
            "-subj", f"/CN={name if names else 'localhost'}",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.csr")
    openssl("ca", "-config", config, "-name", "ca", "-extensions", "leaf", "-batch", "-notext",
            "-startdate", when[0], "-enddate", when[1], "-cert", directory / f"{issuer}.pem",
            "-keyfile", directory / f"{issuer}.key", "-in", directory / f"{name}.csr",
            "-out", directory / f"{name}.pem")


def make(directory, names=tuple(CERTIFICATES)):
    """Fills a directory: ca, other-ca, self-signed and the named leaves. Returns it."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "index.txt").touch()
    self_signed(directory, "ca")
    self_signed(directory, "other-ca")
    self_signed(directory, "self-signed", "-addext", f"subjectAltName={GOOD}")
    for name in names:
        leaf(directory, name)
    return directory


if __name__ == "__main__":
    print(make(sys.argv[1]))
