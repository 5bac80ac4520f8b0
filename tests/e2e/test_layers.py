"""The rule of the folders' order finds what points up, on a small tree with three folders."""

import importlib.util
import pathlib
import subprocess

import pytest

from gateway import TOP

LISTS = "set(TG_FOLDERS low filters/mid\n    high)\n"
FILES = {
    "gateway/low/a.c": '#include "low/a.h"\nint a(void) { return 1; }\n',
    "gateway/low/a.h": "int a(void);\n",
    "gateway/low/b.c": "int b(void) { return 2; }\n",
    "gateway/low/b.h": "int b(void);\n",
    "gateway/low/c.h": "int c;\n",
    "filters/mid/m.c": '#include "low/a.h"\n#include "mid/m.h"\nint m(void) { return a(); }\n',
    "filters/mid/m.h": "int m(void);\n",
    "gateway/high/h.c": '#include "high/h.h"\n#include "mid/m.h"\nint h(void) { return m(); }\n',
    "gateway/high/h.h": "int h(void);\n",
    "gateway/main.c": '#include "high/h.h"\nint main(void) { return h(); }\n',
}


@pytest.fixture(name="judge")
def make_judge(tmp_path, monkeypatch, capsys):
    """judge(rule, {file: text}): what the rule says of the tree with these files changed."""
    spec = importlib.util.spec_from_file_location("layers", TOP / "tests" / "layers.py")
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    monkeypatch.setattr(layers, "EXCEPTIONS", {rule: set() for rule in layers.EXCEPTIONS})
    monkeypatch.chdir(tmp_path)

    def judge(rule, changed, excused=()):
        for name, text in {"CMakeLists.txt": LISTS, **FILES, **changed}.items():
            path = pathlib.Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        layers.EXCEPTIONS[rule] = set(excused)
        status = layers.main(rule, *([build()] if rule in ("calls", "rounds") else []))
        said = capsys.readouterr().err
        assert status == bool(said)
        return said

    return judge


def build():
    """Makes each folder's library, as CMake names them; their folder."""
    for folder, name in (("gateway/low", "low"), ("filters/mid", "filters_mid"), ("gateway/high", "high")):
        for source in pathlib.Path(folder).glob("*.c"):
            subprocess.run(["cc", "-c", "-w", "-Igateway", "-Ifilters", source, "-o",
                            source.with_suffix(".c.o")], check=True)
        subprocess.run(["ar", "rc", f"libtg_{name}.a", *pathlib.Path(folder).glob("*.o")], check=True)
    return "."


@pytest.mark.parametrize("rule", ["includes", "circles", "calls", "rounds"])
def test_a_tree_in_order(judge, rule):
    """Nothing is said of it."""
    assert judge(rule, {}) == ""


@pytest.mark.parametrize("file, text, said", [
    ("gateway/low/b.c", '\n#include "high/h.h"\n',
     "gateway/low/b.c:2: low/ may not include high/h.h: high/ is above it\n"),
    ("gateway/low/b.h", '# include "mid/m.h"\n',
     "gateway/low/b.h:1: low/ may not include mid/m.h: filters/mid/ is above it\n"),
    ("filters/mid/m.c", '#include "high/h.h"\n',
     "filters/mid/m.c:1: filters/mid/ may not include high/h.h: high/ is above it\n"),
    ("gateway/low/b.c", '#include "nowhere/n.h"\n',
     "gateway/low/b.c:1: nowhere/n.h is in no folder of TG_FOLDERS\n"),
    ("gateway/other/o.c", "", "gateway/other/o.c: its folder is not in TG_FOLDERS\n"),
])
def test_includes(judge, file, text, said):
    """An include that points up, or out of the order."""
    assert judge("includes", {file: text}) == said


@pytest.mark.parametrize("file, text, said", [
    ("gateway/low/b.c", "int h(void);\nint b(void) { return h(); }\n",
     "gateway/low/b.c: may not use h(): high/ is above it\n"),
    ("filters/mid/m.c", "int h(void);\nint (*m)(void) = h;\n",
     "filters/mid/m.c: may not use h(): high/ is above it\n"),
    ("gateway/high/h.c", "int a(void);\nint h(void) { return a(); }\n", ""),
])
def test_calls(judge, file, text, said):
    """A call that points up, though no include does."""
    assert judge("calls", {file: text}) == said


CIRCLE = {"gateway/low/a.h": '#include "low/b.h"\n', "gateway/low/b.c": '#include "low/c.h"\n'}


@pytest.mark.parametrize("back, said", [
    ("low/a.h", "gateway/low: these include each other in a circle: a b c\n"),
    ("low/b.h", ""),
])
def test_circles(judge, back, said):
    """Three units in a circle; two may know each other."""
    assert judge("circles", {**CIRCLE, "gateway/low/c.h": f'#include "{back}"\n'}) == said


CALLS = {"gateway/low/a.c": "int b(void);\nint a(void) { return b(); }\n",
         "gateway/low/b.c": "int c(void);\nint b(void) { return c(); }\n"}


@pytest.mark.parametrize("back, said", [
    ("int a(void);\nint c(void) { return a(); }\n", "gateway/low: these call each other in a circle: a b c\n"),
    ("int a(void);\nint (*d)(void) = a;\nint c(void) { return 3; }\n",
     "gateway/low: these call each other in a circle: a b c\n"),
    ("int b(void);\nint c(void) { return b(); }\n", ""),
    ("static int a(void) { return 3; }\nint c(void) { return a(); }\n", ""),
])
def test_rounds(judge, back, said):
    """Three units that call each other in a circle, whatever they include; two may."""
    assert judge("rounds", {**CALLS, "gateway/low/c.c": back}) == said


def test_exceptions_only_shrink(judge):
    """One that is needed excuses, one that is not is a mistake."""
    planted = {"gateway/low/b.c": '#include "high/h.h"\n'}
    assert judge("includes", planted, ["gateway/low/b.c high/h.h"]) == ""
    assert "'gateway/low/b.c mid/m.h' is no exception any longer" in \
        judge("includes", {}, ["gateway/low/b.c mid/m.h"])
