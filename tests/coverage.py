"""What of the gateway's lines and branches the tests of a coverage build ran: `tests/coverage.py BUILD`,
after the tests. By folder, then the files with the most branches that were not taken. CHECK() has a
branch that no test may take, as has SET() of the keeper, which is one, and TG_STR_ARG() asks of every
text it prints whether it is there: lines with one of them are left out of the branches. What is marked
as unreachable is left out."""

import json
import subprocess
import sys

LEAST = 15  # files that are listed


def measure(build):
    """gcovr's summary of each file."""
    done = subprocess.run(["gcovr", "--root", ".", "--object-directory", build, "--filter", "gateway/",
                           "--filter", "filters/", "--gcov-ignore-parse-errors", "--json-summary", "-",
                           "--exclude-branches-by-pattern", r".*\b(CHECK(_MAGIC)?|SET|TG_STR_ARG)\(.*",
                           "--exclude-lines-by-pattern", r".*\bTG_UNREACHABLE\(\).*", build],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["files"]


def row(name, files):
    """One line of the table: a name and what its files come to."""
    def share(what):
        total = sum(f[f"{what}_total"] for f in files)
        covered = sum(f[f"{what}_covered"] for f in files)
        return f"{100 * covered / total if total else 100:6.1f} % of {total:6}"

    return f"{name:36} {share('line')} {share('branch')}"


def main(build):
    """Prints the tables."""
    files = measure(build)
    folders = {}
    for one in files:
        folders.setdefault(one["filename"].rpartition("/")[0], []).append(one)
    print(f"{'folder':36} {'lines':>17} {'branches':>17}")
    for folder, inside in sorted(folders.items()):
        print(row(folder, inside))
    print(row("all", files))
    print("\nmost branches not taken")
    for one in sorted(files, key=lambda f: f["branch_covered"] - f["branch_total"])[:LEAST]:
        print(row(one["filename"], [one]))


if __name__ == "__main__":
    main(*sys.argv[1:])
