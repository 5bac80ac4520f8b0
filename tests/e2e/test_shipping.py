"""The examples that ship the audit log: read strictly, made of what exists; and a real syslog."""

import fnmatch
import json
import re
import select
import shutil
import socket
import subprocess

import pytest

import audit
from client import Client, request
from gateway import TOP
from test_audit_cli import Stream
from test_policy import FAMILY, GOOD, JSON, POLICIES

DEPLOY = TOP / "conf" / "deploy"
FOLDER = "/var/log/trainguard/"
SCHEMA = json.loads((TOP / "conf" / "audit.schema.json").read_text(encoding="utf-8"))
yaml = pytest.importorskip("yaml", reason="no python3-yaml here")


class Strict(yaml.SafeLoader):
    """Takes no member twice."""

    def construct_mapping(self, node, deep=False):
        keys = [k.value for k, _ in node.value]
        assert len(set(keys)) == len(keys), keys
        return super().construct_mapping(node, deep)


def read_yaml(name):
    """A file of the examples."""
    return yaml.load((DEPLOY / name).read_text(encoding="utf-8"), Strict)


def read_sections(name):
    """A file in Fluent Bit's classic format: (section, {key: value}) in their order."""
    found = []
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        if head := re.fullmatch(r"\[([A-Z]+)\]", line):
            found.append((head[1], {}))
        elif line and not line.startswith("#"):
            key, value = re.fullmatch(r"    (\S+) +(\S.*)", line).groups()
            assert key.lower() not in found[-1][1], line
            found[-1][1][key.lower()] = value
    return found


def fields():
    """The names of fields in any kind of record."""
    return {name for kind in SCHEMA["oneOf"] for name in kind["properties"]}


def taken(patterns, but=None):
    """Which of the log and its rotated files some globs take; the compressed ones were there."""
    return [end for end in ("", ".1", ".10", ".2.gz")
            if any(fnmatch.fnmatchcase(f"{FOLDER}audit.jsonl{end}", p) for p in patterns)
            and not (but and re.search(but, f"{FOLDER}audit.jsonl{end}"))]


def test_vector():
    """Inputs are outputs of something, and the fields are ours."""
    conf = read_yaml("vector.yaml")
    steps = {**conf["sources"], **conf["transforms"], **conf["sinks"]}
    assert len(steps) == sum(len(conf[k]) for k in ("sources", "transforms", "sinks"))
    outputs = {*conf["sources"], *conf["transforms"], "audit_records.dropped"}
    for name in (*conf["transforms"], *conf["sinks"]):
        assert set(steps[name]["inputs"]) <= outputs, name
    for sink in conf["sinks"].values():
        assert sink["acknowledgements"]["enabled"] and sink["buffer"]["when_full"] == "block"
    source = conf["sources"]["audit_lines"]
    (exclude,) = source["exclude"]
    assert taken(source["include"], fnmatch.translate(exclude)) == ["", ".1", ".10"]
    kafka = conf["sinks"]["kafka"]
    assert kafka["inputs"] == ["audit_keyed"] and kafka["encoding"] == {"codec": "text"}  # raw
    keyed = conf["transforms"]["audit_keyed"]["source"]
    [pattern] = re.findall(r"r'([^']+)'", keyed)
    assert f".{kafka['key_field']} = found.stream" in keyed
    assert re.search(pattern, Stream("0-5f3a").lines[0])["stream"] == "0-5f3a"
    program = conf["transforms"]["audit_records"]["source"]
    assert set(re.findall(r"\(\.(\w+)", program)) - {"message"} <= fields()
    assert conf["sinks"]["obs"]["inputs"] == ["audit_lines"]  # raw, to be verified


def test_filebeat():
    """One output at a time, and the fields are ours."""
    conf = read_yaml("filebeat.yml")
    (source,) = conf["filebeat.inputs"]
    (exclude,) = source["prospector.scanner.exclude_files"]
    assert taken(source["paths"], exclude) == ["", ".1", ".10"]
    on = [k for k in conf if k.startswith("output.") and conf[k]["enabled"]]
    assert on == ["output.elasticsearch"]
    kafka = conf["output.kafka"]
    assert (kafka["key"], kafka["codec.format.string"]) == ("%{[trainguard.stream]}", "%{[message]}")
    assert conf["processors"][0]["decode_json_fields"]["fields"] == ["message"]  # which stays as it is
    text = (DEPLOY / "filebeat.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\btrainguard\.([a-z_]+(?:\.[a-z_]+)*)", text))
    assert used and used <= fields()
    assert conf["setup.template.pattern"] == f"{conf['setup.template.name']}-*"


def test_fluent_bit():
    """Outputs match the tag, the filter names a parser of the file that is named."""
    sections = read_sections("fluent-bit.conf")
    kinds = [kind for kind, _ in sections]
    assert kinds == ["SERVICE", "INPUT", "FILTER", "OUTPUT", "OUTPUT", "OUTPUT"]
    service, tail, parse = (s for _, s in sections[:3])
    parsers = read_sections(service["parsers_file"])
    assert [p["name"] for _, p in parsers] == [parse["parser"]]
    assert parsers[0][1]["time_key"] in fields()
    assert all(s["match"] == tail["tag"] for _, s in sections[2:])
    assert taken([tail["path"]]) == [""]  # it follows what is renamed
    outputs = {s["name"]: s for _, s in sections[3:]}
    kafka = outputs["kafka"]
    assert kafka["message_key_field"] == "stream" and (kafka["format"], kafka["raw_log_key"]) == (
        "raw", parse["key_name"])
    assert outputs["s3"]["log_key"] == parse["key_name"] and parse["preserve_key"] == "on"


def template_types(properties, before=""):
    """The types a template gives to places, by their dotted names."""
    found = {}
    for name, what in properties.items():
        if "properties" in what:
            found |= template_types(what["properties"], f"{before}{name}.")
        else:
            found[before + name] = what["type"]
    return found


def columns(types, value, place):
    """The columns a value becomes: (place, type), as Elasticsearch makes them; elements of arrays
    have the place of the array."""
    if types.get(place) == "flattened":
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from columns(types, inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for inner in value:
            yield from columns(types, inner, place)
    else:
        yield place, types.get(place, {str: "keyword"}.get(type(value), "number"))


FORMS = {"date_nanos": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "date": r"\d{4}-\d\d-\d\d",
         "ip": r"[0-9.]+"}


def test_elasticsearch_template():
    """Each place it names is a field, and no field is a part of another one's name."""
    one = json.loads((DEPLOY / "elasticsearch-template.json").read_text(encoding="utf-8"))
    mappings = one["template"]["mappings"]
    known = fields() | {f"{name}.{inner}" for kind in SCHEMA["oneOf"]
                        for name, what in kind["properties"].items()
                        for inner in what.get("items", {}).get("properties", {})}
    assert set(template_types(mappings["properties"])) <= known
    assert not [(a, b) for a in fields() for b in fields() if b.startswith(a + ".")]
    assert mappings["date_detection"] is False  # a client's text decides about no column's type


def test_records_fit_the_template(gateway, origin, tmp_path):
    """Whatever comes first, no column gets two types, and what has one by name is of that form."""
    (tmp_path / "policies.conf").write_text(POLICIES)
    guard = gateway(origin(), locations=FAMILY.replace("policies.conf", "../policies.conf"))
    values = [1, "b", *["x" * 500] * 900]
    with Client(guard.port) as client:
        for name, agent, rates in (("big", "2026-01-01", 1), ("c1", "7", 2), ("c1", "ua", 902)):
            parameter = [{"label": f"l{i}", "value": v} for i, v in enumerate(values[:rates])]
            body = json.dumps(GOOD | {"worker_server_num": 8, "parameter": parameter}).encode()
            client.send(request("PUT", f"/v1/6b37a5f1/training-job-configs/{name}", body, *JSON,
                                f"User-Agent: {agent}"))
            assert client.final().status == {"big": 200, "c1": 403}[name]
    guard.stop()
    one = json.loads((DEPLOY / "elasticsearch-template.json").read_text(encoding="utf-8"))
    types, seen = template_types(one["template"]["mappings"]["properties"]), {}
    records = audit.records(guard.directory / "audit.jsonl", None)
    for record in records:
        for place, kind in columns(types, record, ""):
            assert seen.setdefault(place, kind) == kind, place
        for place, values in (("time", [record["time"]]), ("client.address", [
                record.get("client.address", "127.0.0.1")]), ("exceptions.last_day", [
                    e["last_day"] for e in record.get("exceptions", [])])):
            assert all(re.fullmatch(FORMS[types[place]], v) for v in values), (place, values)
    assert {"instance", "exceptions.owner", "violations.rule", "configuration.revision"} <= set(seen)


def test_lines_are_not_too_long():
    """Of every shipper's longest line a record, at most 256 KB, is the half at most."""
    least, units = 512 << 10, {"": 1, "k": 1 << 10, "m": 1 << 20}
    vector, filebeat = read_yaml("vector.yaml"), read_yaml("filebeat.yml")
    tail = next(s for kind, s in read_sections("fluent-bit.conf") if kind == "INPUT")
    text = (DEPLOY / "rsyslog.conf").read_text(encoding="utf-8")
    sizes = [str(vector["sources"]["audit_lines"]["max_line_bytes"]), tail["buffer_max_size"],
             str(filebeat["filebeat.inputs"][0]["message_max_bytes"]),
             re.search(r'maxMessageSize="(\w+)"', text)[1]]
    for size in sizes:
        number, unit = re.fullmatch(r"(\d+)([km]?)", size.lower()).groups()
        assert int(number) * units[unit] >= least, size


# --- syslog ---


@pytest.fixture(name="rsyslog")
def running_rsyslog(tmp_path):
    """The shipped example in a running rsyslogd: where it listens, and the file it writes."""
    if (program := shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")) is None:
        pytest.skip("no rsyslogd here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = (DEPLOY / "rsyslog.conf").read_text(encoding="utf-8")
    for old, new in (("/var/log/trainguard-copy", str(tmp_path)),
                     ("/run/trainguard", str(tmp_path)), ('"5514"', f'"{port}"')):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "rsyslog.conf"
    path.write_text(f'global(workDirectory="{tmp_path}")\n{text}')
    subprocess.run([program, "-N1", "-f", path], check=True, capture_output=True)
    with subprocess.Popen([program, "-n", "-f", path, "-i", tmp_path / "pid"]) as child:
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                select.select([], [], [], 0.01)
        yield (f"unix:{tmp_path}/syslog", f"udp:127.0.0.1:{port}", f"tcp:127.0.0.1:{port}"), \
            tmp_path / "audit.jsonl"
        child.terminate()


@pytest.mark.long
def test_rsyslog(rsyslog, gateway, origin):
    """What another program makes of RFC 5424 over each transport is the whole log, byte by byte."""
    places, copy = rsyslog
    behind, expected = origin(), set()
    for number, place in enumerate(places):
        guard = gateway(behind, audit=f"syslog:{place}")
        with Client(guard.port) as client:
            for i in range(20):
                expected.add(f"{number}-{i}")
                client.send(request("GET", "/x", None, f"X-Request-Id: {number}-{i}",
                                    f"User-Agent: {'u' * (i * 700)} \"\\ #012 %msg%"))
                assert client.final().status == 200
                audit.wait(copy, len(expected))  # datagrams that nobody fetches are dropped
        guard.stop()
    audit.wait(copy, len(places), "stop")
    assert set(audit.ids(copy)) == expected and max(audit.ids(copy).values()) == 1
    code, words = audit.verify(copy, closed=True)
    assert code == 0, words
