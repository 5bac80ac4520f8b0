"""The commands of the built program: run, with their output and what they must never print."""

import json
import subprocess

from gateway import SANITIZER, TIMEOUT, TOP, binary

BODIES = TOP / "tests/data/bodies"
SEED = BODIES / "01_seed_put_example.json"


class Result:
    """What a run came to."""

    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout
        self.err = done.stderr.decode("utf-8", "replace")
        assert not SANITIZER.search(self.err), self.err
        assert self.code >= 0, f"ended by signal {-self.code}: {self.err}"

    @property
    def out(self):
        """Standard output; it is always valid UTF-8."""
        return self.raw.decode("utf-8")

    @property
    def json(self):
        """Standard output as JSON."""
        return json.loads(self.raw)

    @property
    def bodies(self):
        """The bodies of `eval --output json`."""
        return self.json["bodies"]


def run(*args, data=b"", program=None, **options):
    """Runs `trainguard ARGS...`."""
    command = [program or binary(), *(str(a) for a in args)]
    return Result(subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT,
                                 check=False, **options))


def evaluate(body, *args):
    """The one body of `eval --output json` for bytes on standard input."""
    [one] = run("eval", "--output", "json", *args, "-", data=body).bodies
    return one
