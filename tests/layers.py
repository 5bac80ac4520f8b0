"""The order of the folders, which stands in CMakeLists.txt (TG_FOLDERS): a file includes and calls
its own folder and those before it.

`tests/layers.py includes`       every #include names an equal or a lower folder
`tests/layers.py circles`        no more than two files of a folder include each other in a circle
`tests/layers.py calls BUILD`    no object needs a symbol that a higher folder alone defines
`tests/layers.py rounds BUILD`   no more than two objects of a folder need each other's symbols in a circle

A file is a unit: x.c and x.h together. Exceptions are those of EXCEPTIONS, which may only shrink.
"""

import collections
import pathlib
import re
import subprocess
import sys

# What still points up. The lists may only shrink: an exception that is not needed is a mistake.
EXCEPTIONS = {"includes": set(), "circles": set(), "calls": set(), "rounds": set()}


def order(top):
    """The folders from the lowest to the highest, as CMakeLists.txt builds them."""
    text = (top / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"set\(TG_FOLDERS ([^)]*)\)", text)[1].split()


def place(folder):
    """Where a folder's files are."""
    return folder if folder.startswith("filters") else f"gateway/{folder}"


def sources(top, folder):
    """The files of a folder, without those of folders inside it."""
    return sorted(p for p in (top / place(folder)).glob("*.[ch]"))


def included(path):
    """What a file includes between quotation marks, with the lines."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if found := re.match(r'\s*#\s*include\s+"([^"]+)"', line):
            yield number, found[1]


def folder_of(top, name, known):
    """The folder of an included file; None when it is in none that is known."""
    for root in ("gateway", "filters"):
        if (top / root / name).exists():
            folder = str(pathlib.Path(root, name).parent)
            return next((f for f in known if place(f) == folder), None)
    return None


def check_includes(top):
    """Includes that name a higher folder."""
    known = order(top)
    for folder in known:
        for path in sources(top, folder):
            for number, name in included(path):
                at = folder_of(top, name, known)
                file = path.relative_to(top)
                if at is None:
                    yield f"{file} {name}", f"{file}:{number}: {name} is in no folder of TG_FOLDERS"
                elif known.index(at) > known.index(folder):
                    yield (f"{file} {name}", f"{file}:{number}: {folder}/ may not include {name}: "
                           f"{at}/ is above it")
    for path in sorted([*top.glob("gateway/**/*.[ch]"), *top.glob("filters/**/*.[ch]")]):
        file = path.relative_to(top)
        if str(file) != "gateway/main.c" and str(file.parent) not in map(place, known):
            yield str(file), f"{file}: its folder is not in TG_FOLDERS"


def components(edges):
    """Tarjan's strongly connected components of a graph, as sets of nodes."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(set(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def circles_of(folder, edges, how):
    """The circles of more than two units among a folder's edges, as a rule yields them."""
    for circle in components(edges):
        if len(circle) > 2:
            names = " ".join(sorted(circle))
            yield f"{folder} {names}", f"{place(folder)}: these {how} each other in a circle: {names}"


def check_circles(top):
    """Circles of includes."""
    for folder in order(top):
        edges = collections.defaultdict(set)
        for path in sources(top, folder):
            edges[path.stem].update(
                pathlib.Path(name).stem for _, name in included(path)
                if (path.parent / pathlib.Path(name).name).exists() and
                place(folder).endswith(str(pathlib.Path(name).parent)))
        yield from circles_of(folder, {k: {o for o in v if o in edges} for k, v in edges.items()}, "include")


def library(build, folder):
    """Where CMake puts a folder's library."""
    return build / f"libtg_{folder.replace('/', '_')}.a"


def symbols(path):
    """What the objects of a library share with others, as (object, name, whether it is needed)."""
    text = subprocess.run(["nm", "-A", "-g", "--format=posix", path], capture_output=True, text=True,
                          check=True).stdout
    return [(found[1], found[2], found[3] in "Uvw") for found in
            re.finditer(r"\[(.*)\.o\]: (\S+) (\S)", text)]


def check_calls(top, build):
    """Symbols an object needs that only a higher folder has."""
    known = order(top)
    found = [symbols(library(build, folder)) for folder in known]
    level = {}
    for number, shared in enumerate(found):
        for _, name, needed in shared:
            if not needed:
                level.setdefault(name, number)
    for number, folder in enumerate(known):
        for unit, name, needed in found[number]:
            if needed and level.get(name, -1) > number:
                above = known[level[name]]
                yield f"{folder} {name}", f"{place(folder)}/{unit}: may not use {name}(): {above}/ is above it"


def check_rounds(top, build):
    """Circles of symbols that objects of a folder need of each other."""
    for folder in order(top):
        shared = [(unit.removesuffix(".c"), name, needed)
                  for unit, name, needed in symbols(library(build, folder))]
        home = {name: unit for unit, name, needed in shared if not needed}
        edges = {unit: set() for unit, _, _ in shared}
        for unit, name, needed in shared:
            if needed and name in home:
                edges[unit].add(home[name])
        yield from circles_of(folder, edges, "call")


def main(rule, *arguments):
    """Prints what a rule finds, and exceptions of the rule that are needed no longer."""
    top = pathlib.Path.cwd()
    found = dict(globals()[f"check_{rule}"](top, *map(pathlib.Path, arguments)))
    excused = EXCEPTIONS[rule]
    mistakes = [text for key, text in found.items() if key not in excused]
    mistakes += [f"{key!r} is no exception any longer: take it off the list in tests/layers.py"
                 for key in excused if key not in found]
    for text in mistakes:
        print(text, file=sys.stderr)
    return int(bool(mistakes))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
