"""The layouts that filter modules are built against, as clang tells them, beside those recorded for
TG_FILTER_ABI in tests/data/filter_abi.txt.

`tests/abi.py`          fails when they differ
`tests/abi.py --write`  records them; refuses while TG_FILTER_ABI is that of the last release
"""

import difflib
import pathlib
import re
import subprocess
import sys

RECORD = pathlib.Path("tests/data/filter_abi.txt")
HEADERS = '#include "chain/filter.h"\n#include "json/document.h"\n'


def number():
    """TG_FILTER_ABI."""
    text = pathlib.Path("gateway/chain/filter.h").read_text(encoding="utf-8")
    return int(re.search(r"\bTG_FILTER_ABI = (\d+)", text)[1])


def clang(*options):
    """What clang says of the headers a module includes."""
    return subprocess.run(["clang", "-std=c11", "-D_GNU_SOURCE", "-Igateway", "-Ifilters", "-x", "c",
                           "-fsyntax-only", *options, "-"], input=HEADERS, capture_output=True, text=True,
                          check=True).stdout


def layouts():
    """Every struct of the gateway with the offset, type and name of each member, and its size."""
    found = {}
    for one in clang("-Xclang", "-fdump-record-layouts-complete").split("*** Dumping AST Record Layout")[1:]:
        name = re.search(r"\|\s+(?:struct|union) (\w+)", one)
        if name and name[1].startswith("tg_"):
            lines = [re.sub(r"\s+", " ", line).strip() for line in one.strip().splitlines()]
            found[name[1]] = [line for line in lines if re.match(r"(\d+(:[\d-]+)? )?[|\[]", line)]
    return [line for name in sorted(found) for line in [*found[name], ""]]


def constants():
    """Every constant of the gateway's enums with its value, without TG_FILTER_ABI."""
    found, value, last = [], -1, ""
    for line in clang("-Xclang", "-ast-dump", "-fno-color-diagnostics").splitlines():
        if "-EnumDecl " in line:
            value = -1
        elif name := re.search(r"-EnumConstantDecl .* (TG_\w+) '[a-z ]+'$", line):
            value += 1
            found.append([name[1], value])
            last = line
        elif "-ConstantExpr " in line:
            last = "constant" if "-EnumConstantDecl " in last else line
        else:
            given = re.search(r"value: Int (-?\d+)", line)
            if given and last == "constant":
                value = found[-1][1] = int(given[1])
            last = line
    return [f"{name} = {value}" for name, value in found if name != "TG_FILTER_ABI"]


def main(*arguments):
    """Compares, or records."""
    recorded = RECORD.read_text(encoding="utf-8").splitlines()
    released = int(recorded[0].split()[-1])
    now = [recorded[0], f"TG_FILTER_ABI {number()}", "", *layouts(), *constants()]
    if recorded == now:
        return 0
    if number() <= released:
        print("modules see other layouts than at the last release: raise TG_FILTER_ABI in "
              "gateway/chain/filter.h, then run tests/abi.py --write", file=sys.stderr)
    elif arguments == ("--write",):
        RECORD.write_text("\n".join(now) + "\n", encoding="utf-8")
        return 0
    else:
        print("modules see other layouts than those recorded; TG_FILTER_ABI was raised since the last "
              "release: run tests/abi.py --write", file=sys.stderr)
    print(*difflib.unified_diff(recorded, now, "recorded", "now", n=1, lineterm=""), sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
