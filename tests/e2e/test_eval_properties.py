"""What normalization promises, on generated documents and by independent readers: Python's json
made strict, and python3-jsonpatch."""

import json
import random

import jsonpatch
import pytest

from command import run
from documents import Maker, Raw

COUNT = 400
ALL_ON = "".join(f"normalize {n} on; " for n in (
    "drop_nulls", "directory_slash", "engine_default")) + (
        'normalize_default log_url "/ml-audit/{project_id}/{config_name}/";')
CONF = """
upstream u {{ server u.test; }}
server {{
    listen 127.0.0.1:0;
    location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
        filters {filters}; {inside} proxy_pass u;
    }}
}}
"""


def strict(data):
    """Reads JSON as RFC 8259 and the contract want it; ValueError for anything else."""
    def no_constant(name):
        raise ValueError(name)

    def no_duplicates(pairs):
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("duplicate")
        return value

    value = json.loads(data.decode("utf-8"), parse_constant=no_constant,
                       object_pairs_hook=no_duplicates)
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates
    return value


def batch(folder, documents):
    """Writes documents as files that sort in their order."""
    folder.mkdir()
    for i, data in enumerate(documents):
        (folder / f"{i:05}.json").write_bytes(data)
    return folder


def judged(folder, *args):
    """What `eval` says about each file."""
    return run("eval", "--output", "json", "--name", "c", *args, folder).bodies


@pytest.fixture(scope="module", params=["default", "all on"])
def work(request, tmp_path_factory):
    """Documents of all kinds with what normalization alone made of each: the body, the patch and
    the changes."""
    folder = tmp_path_factory.mktemp("documents")
    inside = ALL_ON if request.param == "all on" else ""
    conf, full = folder / "normalize.conf", folder / "full.conf"
    conf.write_text(CONF.format(filters="json normalize", inside=inside))
    full.write_text(CONF.format(filters="json normalize validate", inside=inside))
    maker = Maker(random.Random(20240607))
    documents = [(maker.good() if i % 2 else maker.document()).encode() for i in range(COUNT)]
    bodies = judged(batch(folder / "all", documents), "-c", conf)
    kept = [(d, b) for d, b in zip(documents, bodies) if b["result"] == "pass"]
    assert len(kept) > COUNT / 2
    assert sum("changes" in b for _, b in kept) > len(kept) / 2
    return {"conf": conf, "full": full, "kept": kept, "folder": folder,
            "files": batch(folder / "kept", (d for d, _ in kept))}


def test_patch_by_another_implementation(work):
    """The patch, applied by jsonpatch, gives the forwarded document."""
    done = run("fmt", "--patch", "--name", "c", "-c", work["conf"], work["files"])
    patches = [json.loads(line) for line in done.raw.splitlines()]
    assert done.code == 0 and len(patches) == len(work["kept"])
    for (original, body), patch in zip(work["kept"], patches):
        assert patch == body.get("patch", [])
        result = jsonpatch.JsonPatch(patch).apply(strict(original))
        assert result == strict(body["forwarded"].encode()), original


def test_another_parser_reads_what_was_seen(work):
    """The forwarded body is strict JSON, and each changed place holds what the evaluator says."""
    for _, body in work["kept"]:
        value = strict(body["forwarded"].encode())
        last = {c.get("to", c["pointer"]): c for c in body.get("changes", [])}
        for pointer, change in last.items():
            if "after" not in change:
                continue
            found = jsonpatch.JsonPointer(pointer).resolve(value, None)
            assert found == change["after"], body


def untouched(pointer, changes):
    """True for what no change is about: not its place, not a part of it, not around it."""
    for change in changes:
        for place in (change["pointer"], change.get("to", change["pointer"])):
            if f"{place}/".startswith(f"{pointer}/") or pointer.startswith(f"{place}/"):
                return False
    return True


def test_what_needs_no_change_keeps_its_bytes(work):
    """Names, values, blanks between them, and their order."""
    for original, body in work["kept"]:
        forwarded, text = body["forwarded"], original.decode()
        changes = body.get("changes", [])
        if not changes:
            assert forwarded == text
        before, after = Raw(text).found, Raw(forwarded).found
        rest = [p for p in before if untouched(p, changes)]
        assert rest == [p for p in after if untouched(p, changes)]
        for pointer in rest:
            assert after[pointer][1:] == before[pointer][1:], (pointer, original)
            assert after[pointer][0].strip() == before[pointer][0].strip()
        assert forwarded.endswith(text[len(text.rstrip()):])
        assert forwarded.startswith(text[: text.index("{") + 1])


def test_idempotent_and_still_accepted(work):
    """The result needs no change, and what is said about it does not change."""
    results = [b["forwarded"].encode() for _, b in work["kept"]]
    folder = batch(work["folder"] / "results", results)
    assert run("fmt", "--check", "--name", "c", "-c", work["conf"], folder).out == ""
    before = judged(work["files"], "-c", work["full"])
    after = judged(folder, "-c", work["full"])
    assert sum(b["result"] == "pass" for b in before) > 50
    for one, two in zip(before, after):
        assert two["result"] == one["result"] and "changes" not in two
        assert ([(f["pointer"], f["rule"]) for f in two["findings"]]
                == [(f["pointer"], f["rule"]) for f in one["findings"]])


def refuses(data):
    """True when the strict reader does."""
    try:
        strict(data)
    except (ValueError, RecursionError):
        return True
    return False


def test_strictness_by_another_parser(tmp_path):
    """Damaged documents: JSON here is JSON there."""
    maker = Maker(random.Random(42))
    documents = [maker.damage(maker.document().encode()) for _ in range(4 * COUNT)]
    expected = [refuses(d) for d in documents]
    assert 100 < sum(expected) < len(expected) - 100
    for data, refused, body in zip(documents, expected, judged(batch(tmp_path / "d", documents))):
        assert (body["result"] == "error") == refused, data
