"""Documents name what is there.

`tests/documents.py`    names every link, file, directive, metric, command, test and word between backticks in the
                        documents that is not there, and fails when there are some
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
# Its first column has another program's words.
WITHOUT_WORDS = {"conf/migration-from-nginx-lua.md"}
PLACES = ("conf/", "tests/", "gateway/", "filters/", ".github/", "base/", "json/", "http/", "config/", "chain/",
          "net/", "audit/", "shm/", "settings/", "client/", "upstream/", "exchange/", "admin/", "keeper/", "process/",
          "cli/", "deploy/", "policies/")


def text_of(path):
    """What a file of the tree says."""
    return (TOP / path).read_text(encoding="utf-8")


def documents():
    """The documents people read, with their texts."""
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=TOP, capture_output=True, text=True,
                           check=True).stdout.split()
    return {n: text_of(n) for n in names if "node_modules" not in n and not n.startswith("tests/bench/")}


def spans(text):
    """What stands between backticks, outside blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))


def blocks(text, language):
    """The blocks of code of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.M | re.S)


def anchors(text):
    """The anchors that the headings of a document have."""
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", text, re.M)}


def bad_links(name, text):
    """Relative links to files or headings that are not there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        at = (TOP / name).parent / path if path else TOP / name
        if not at.exists():
            yield f"links to {target}"
        elif anchor and anchor not in anchors(at.read_text(encoding="utf-8")):
            yield f"links to a heading that is not there: {target}"


def bad_paths(name, text):
    """Files and folders that are not there."""
    roots = [TOP, (TOP / name).parent, TOP / "gateway", TOP / "conf", TOP / "filters"]
    for span in spans(text):
        path = span.split(":")[0]
        if not path.startswith(PLACES) or not re.fullmatch(r"[\w./*{},-]+", path) or "FOLDER" in path:
            continue
        for one in expanded(path):
            if not any(list(root.glob(one)) if "*" in one else (root / one).exists() for root in roots):
                yield f"names {one}"


def expanded(path):
    """a/{b,c} as a/b and a/c."""
    found = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", path)
    return [found[1] + one + found[3] for one in found[2].split(",")] if found else [path]


def metrics():
    """The names of all metrics."""
    return set(re.findall(r"^# TYPE (\w+)", text_of("tests/data/outputs/metrics.txt"), re.M))


def bad_metrics(_, text):
    """Metrics that the gateway does not have."""
    known = metrics()
    for metric in re.findall(r"\btrainguard_[a-z_]+[a-z]", text):
        if re.sub(r"_(bucket|sum|count)$", "", metric) not in known:
            yield f"names the metric {metric}"


def directives():
    """The names of all directives."""
    return set(re.findall(r"^### (\w+)", text_of("conf/directives.md"), re.M))


def bad_directives(_, text):
    """First words of lines and blocks, in examples of configurations, that are no directives."""
    known = directives() | {"include", "case", "body", "project_id", "config_name", "method", "route", "principal",
                            "client", "header", "now", "spec", "row", "role", "old", "expect"}
    for block in blocks(text, "nginx"):
        plain = re.sub(r"#.*$", "", re.sub(r"\"[^\"]*\"|'[^']*'", "x", block), flags=re.M)
        plain = re.sub(r"(?<=\S)\{[\w.]+\}|\{[\w.]+\}(?=[/;])", "x", plain)
        for statement in re.split(r"[;{}]", plain):
            word = statement.split()[:1]
            if word and word[0] not in known and word[0] != "...":
                yield f"shows the directive {word[0]}"


def commands():
    """The commands of the program."""
    return set(re.findall(r"^  ([a-z]+) ", text_of("gateway/main.c").replace('"', " "), re.M)) | set(
        re.findall(r"^\.TP\n\\fB([a-z]+)", text_of("conf/man/trainguard.8"), re.M))


def bad_commands(_, text):
    """Commands that the program does not have."""
    shown = [span for span in spans(text) if span.startswith("trainguard ")]
    shown += [line for block in blocks(text, "sh") for line in block.splitlines() if line.startswith("trainguard ")]
    for line in shown:
        word = line.split()[1]
        if re.fullmatch("[a-z]+", word) and word not in commands():
            yield f"names the command {word}"


def bad_tests(_, text):
    """`test_x: name`, where the file of tests has no such name."""
    for file, cases in re.findall(r"`(test_\w+)(?:\.\w+)?: ([\w, ]+)`", text):
        texts = [p.read_text(encoding="utf-8") for p in TOP.glob(f"tests/*/**/{file}.*")]
        for case in cases.split(", "):
            if not any(re.search(rf"\b{case}\b", one) for one in texts):
                yield f"names the test {case} of {file}"


def sources():
    """All text of programs and tests, behind the names of their files."""
    names = subprocess.run(["git", "ls-files", "gateway", "filters", "tests", "conf", "dev", "CMakeLists.txt"],
                           cwd=TOP, capture_output=True, text=True, check=True).stdout.split()
    names = [n for n in names if not n.endswith((".md", ".8", ".5", ".svg", ".pem")) and "/corpus/" not in n
             and "/data/outputs/" not in n]
    return "\n".join(n.rpartition("/")[2].replace(".", " ") + "\n" + (TOP / n).read_text(encoding="utf-8", errors="replace") for n in names
                     if (TOP / n).is_file())


def bad_words(name, text, known):
    """Words with `_` between backticks that neither the programs nor their tests have."""
    for span in spans(text) if name not in WITHOUT_WORDS else []:
        for word in re.findall(r"(?<![\w.%/-])[a-z]\w*_\w*[a-z0-9](?![\w(]*\*)", span):
            if not word.startswith("trainguard_") and word not in known and f"trainguard_{word}" not in metrics():
                yield f"says `{word}`, which is nowhere else"


def bad_tables():
    """Folders and files that the two tables of the code leave out or invent."""
    order = re.search(r"set\(TG_FOLDERS ([^)]*)\)", text_of("CMakeLists.txt"))[1].split()
    told = re.findall(r"^\| `([\w/]+?)/?` \|", text_of("gateway/README.md"), re.M)
    if told != order:
        yield f"gateway/README.md has the folders in another order than CMakeLists.txt: {told}, {order}"
    row = re.search(r"^\| `cli/` \|(.*)", text_of("gateway/README.md"), re.M)[1]
    if missing := commands() - set(spans(row)):
        yield f"gateway/README.md does not tell of the commands {', '.join(sorted(missing))}"
    text = text_of("filters/README.md").partition("## The files here")[2]
    named = {n for span in spans(text) for n in span.split(", ")}
    for path in sorted(TOP.glob("filters/*.c")) + sorted(p for p in TOP.glob("filters/*") if p.is_dir()):
        name = path.name + ("/" if path.is_dir() else "")
        if not any(n == name or n.startswith(name) for n in named):
            yield f"filters/README.md does not tell of {name}"


def main():
    """Judges all documents."""
    known = set(re.findall(r"\w+", sources()))
    found = list(bad_tables())
    for name, text in documents().items():
        for check in (bad_links, bad_paths, bad_metrics, bad_directives, bad_commands, bad_tests):
            found += [f"{name} {fault}" for fault in check(name, text)]
        found += [f"{name} {fault}" for fault in bad_words(name, text, known)]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
