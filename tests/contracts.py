"""Every function of a shared header has its contract: a comment right before its declaration, or
before a row of declarations that belong together.

`tests/contracts.py`    names the functions without one, and fails when there are some
"""

import pathlib
import subprocess
import sys


def declared(header):
    """The lines, from 1, on which the functions of a header begin, with their names."""
    rows = subprocess.run(["ctags", "-x", "--_xformat=%N %n %P", "--kinds-C=pf", "--language-force=C", header],
                          capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted((int(row.split()[1]), row.split()[0]) for row in rows)


def is_told(lines, number):
    """Whether a comment stands before the declaration that has the line: blank lines end the search,
    lines of the declaration itself and declarations before it in the row do not."""
    for line in reversed(lines[:number - 1]):
        if line.rstrip().endswith("*/"):
            return True
        if not line.strip() or line.startswith(("}", "#")):
            return False
    return False


def main():
    """Judges all headers."""
    count = 0
    untold = []
    for root in ("gateway", "filters"):
        for header in sorted(pathlib.Path(root).rglob("*.h")):
            lines = header.read_text(encoding="utf-8").splitlines()
            for number, name in declared(header):
                count += 1
                if not is_told(lines, number):
                    untold.append(f"{header}:{number}: {name}() has no contract")
    for text in untold:
        print(text, file=sys.stderr)
    print(f"{count - len(untold)} of {count} functions in headers have a contract")
    return int(bool(untold))


if __name__ == "__main__":
    sys.exit(main())
