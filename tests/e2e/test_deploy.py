"""What is shipped to run the gateway elsewhere: it is whole, current, and made of what exists."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from gateway import TOP, binary

DEPLOY = TOP / "conf" / "deploy"
yaml = pytest.importorskip("yaml", reason="no python3-yaml here")


def need(tool):
    """Skips a test where its tool is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")


def run(*command, **more):
    """A command that must do well; its output."""
    got = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert got.returncode == 0, got.stdout + got.stderr
    return got.stdout


def metrics():
    """The names the program knows, as the code spells them."""
    text = "".join(path.read_text(encoding="utf-8") for folder in ("gateway", "filters")
                   for path in sorted((TOP / folder).rglob("*.c")))
    names = re.findall(r'"((?:[a-z0-9]+_)*[a-z0-9]+)",\s*"(counter|gauge|histogram)"', text)
    names += re.findall(r'names\(sum, \w+, "(\w+)", "[\w,]*",()', text)
    return {f"trainguard_{name}" for name, _ in names}


def objects():
    """All Kubernetes objects by kind."""
    found = {}
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        if path.name in ("kustomization.yaml", "vector.yaml"):
            continue
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found.setdefault(one["kind"], []).append(one)
    return found


@pytest.mark.parametrize("name", ["prometheus-rules.yml", "grafana-dashboard.json"])
def test_alerts_and_dashboard_ask_for_what_is_there(name):
    """Every metric they name is one the gateway has."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert len(metrics()) > 20
    used = set(re.findall(r"trainguard_[a-z_]+[a-z]", text)) - {"trainguard_audit", "trainguard_workers"}
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    assert used - metrics() - {"trainguard_"} == set()


def test_alerts_are_valid_and_explained():
    """promtool takes them, and the operations guide has a word on each."""
    rules = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text(encoding="utf-8"))
    guide = (TOP / "conf" / "operations.md").read_text(encoding="utf-8")
    for rule in rules["groups"][0]["rules"]:
        assert rule["alert"] in guide, rule["alert"]
    need("promtool")
    run("promtool", "check", "rules", DEPLOY / "prometheus-rules.yml")


def test_the_dashboard_is_whole():
    """Panels with different ids and a query each."""
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]
    assert len({p["id"] for p in panels}) == len(panels) > 5
    assert all(p["targets"][0]["expr"] for p in panels)


def test_the_unit(tmp_path):
    """systemd finds nothing to complain about."""
    need("systemd-analyze")
    text = (DEPLOY / "trainguard.service").read_text(encoding="utf-8")
    unit = tmp_path / "trainguard.service"
    unit.write_text(text.replace("/usr/sbin/trainguard", binary()))
    got = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True,
                         check=False)
    assert (got.returncode, got.stdout + got.stderr) == (0, "")


def test_the_units_score():
    """The sandbox is as good as documented."""
    need("systemd-analyze")
    got = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=25",
                          DEPLOY / "trainguard.service"], capture_output=True, text=True, check=False)
    if "offline" in got.stderr:
        pytest.skip("this systemd-analyze does not judge files")
    assert got.returncode == 0, got.stdout[-300:] + got.stderr


def kustomizations():
    """The folders that `kubectl apply -k` takes, with what their kustomization.yaml says."""
    return {path.parent.name: (path.parent, yaml.safe_load(path.read_text(encoding="utf-8")))
            for path in sorted((DEPLOY / "kubernetes").rglob("kustomization.yaml"))}


def generated():
    """Names of the ConfigMaps that they make of files."""
    return {made["name"] for _, told in kustomizations().values() for made in told.get("configMapGenerator", [])}


def test_kustomizations():
    """A base and two overlays: what they name is there, nothing is left out, nothing lies outside."""
    found = kustomizations()
    assert set(found) == {"base", "sidecar", "gateway"}
    for folder, told in found.values():
        assert (told["apiVersion"], told["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
        assert set(told) <= {"apiVersion", "kind", "resources", "configMapGenerator"}
        named = [n for n in told["resources"] if n != "../base"]
        named += [f for made in told.get("configMapGenerator", []) for f in made["files"]]
        assert {p.name for p in folder.iterdir()} == {*named, "kustomization.yaml"}
        assert ("../base" in told["resources"]) == (folder.name != "base")


@pytest.mark.parametrize("name", ["sidecar", "gateway"])
def test_kubernetes_configurations(name, tmp_path, certificates):
    """Each loads, with the policies of the base, where its folders are."""
    text = (DEPLOY / "kubernetes" / name / "trainguard.conf").read_text(encoding="utf-8")
    policies, = (o for o in objects()["ConfigMap"] if o["metadata"]["name"] == "trainguard-policies")
    folders = {"policies": policies["data"],
               "keys": {"audit.key": os.urandom(32)},
               "tickets": {"current": os.urandom(80), "previous": os.urandom(80)},
               "tls": {f"tls.{to}": (certificates / f"server.{of}").read_bytes()
                       for to, of in (("crt", "pem"), ("key", "key"))}}
    for folder, files in folders.items():
        (tmp_path / folder).mkdir()
        for file, content in files.items():
            path = tmp_path / folder / file
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o440)
        text = text.replace(f"/etc/trainguard-{folder}/", f"{tmp_path}/{folder}/")
    text = re.sub(r"/(run|var/log)/trainguard/", f"{tmp_path}/", text)
    (tmp_path / "trainguard.conf").write_text(text)
    assert "/etc/trainguard" not in text
    done = subprocess.run([binary(), "-t", "-c", tmp_path / "trainguard.conf"], check=False,
                          capture_output=True, text=True, env={**os.environ, "HOSTNAME": "pod-1"})
    assert done.returncode == 0, done.stderr
    warnings = re.findall(r"\[warn\] (.*)", done.stderr)
    assert len(warnings) == 1 and "answers probes and /metrics alone" in warnings[0], done.stderr


def containers(pod):
    """All containers of a pod template."""
    spec = pod["spec"]["template"]["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def test_kubernetes_objects():
    """Selectors meet labels, volumes meet mounts, ports meet probes, names meet names."""
    found = objects()
    maps = {o["metadata"]["name"] for o in found["ConfigMap"]} | generated()
    secrets = {o["metadata"]["name"] for o in found["Secret"]} | {"trainguard-tls", "trainguard-tickets"}
    for one in found["Deployment"]:
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        spec = one["spec"]["template"]["spec"]
        volumes = {v["name"]: v for v in spec["volumes"]}
        for volume in volumes.values():
            assert volume.get("configMap", {}).get("name", "trainguard") in maps
            assert volume.get("secret", {}).get("secretName", "trainguard-keys") in secrets
        guard = next(c for c in containers(one) if c["name"] == "trainguard")
        mounts = [m for c in containers(one) for m in c.get("volumeMounts", [])]
        assert {m["name"] for m in mounts} == set(volumes)
        assert not any("subPath" in m for m in mounts), "would never change"
        modes = [v["secret"]["defaultMode"] for v in volumes.values() if "secret" in v]
        assert modes and set(modes) == {0o440}, "others read no keys"
        run_as = {**spec["securityContext"], **guard["securityContext"]}
        assert spec["securityContext"].get("fsGroup") == run_as["runAsGroup"], "files of a Secret belong to root"
        ports = {p["name"] for p in guard["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            assert guard[probe]["httpGet"]["port"] in ports
        assert guard["securityContext"]["readOnlyRootFilesystem"] is True
        assert guard["securityContext"]["capabilities"]["drop"] == ["ALL"]
    budget, scaler = found["PodDisruptionBudget"][0], found["HorizontalPodAutoscaler"][0]
    names = {o["metadata"]["name"]: o for o in found["Deployment"]}
    target = names[scaler["spec"]["scaleTargetRef"]["name"]]
    assert budget["spec"]["selector"] == target["spec"]["selector"]
    assert found["Service"][0]["spec"]["selector"] == target["spec"]["selector"]["matchLabels"]
    assert budget["spec"]["maxUnavailable"] == "10%" and scaler["spec"]["maxReplicas"] == 50
    assert "replicas" not in target["spec"], "their number is the autoscaler's"
    metric = scaler["spec"]["metrics"][1]["pods"]["metric"]["name"]
    assert metric in metrics()


def judged(*found):
    """What Kubernetes' own schemas have against objects: a list of mistakes for each."""
    judge = TOP / "tests" / "kubernetes" / "judge.js"
    assert (judge.parent / "node_modules").is_dir(), "the schemas are not installed: run ./dev setup"
    return json.loads(run("node", judge, input=json.dumps(found)))


def test_kubernetes_schemas():
    """Every object is what Kubernetes takes."""
    found = [one for some in objects().values() for one in some]
    assert judged(*found) == [[] for _ in found]


def spoilt(path, value):
    """The shipped sidecar with another value at a path."""
    one = next(o for o in objects()["Deployment"] if o["metadata"]["name"] == "notebook")
    at = one
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return one


CONTAINER = ("spec", "template", "spec", "initContainers", 0)


@pytest.mark.parametrize("path,value,mistake", [
    (("speck",), {}, "/speck: no schema knows it"),
    ((*CONTAINER, "securityContext", "runAsUsr"), 1, "/securityContext/runAsUsr: no schema knows it"),
    ((*CONTAINER, "ports", 0, "port"), 8080, "/ports/0/port: no schema knows it"),
    (("spec", "replicas"), "one", "replicas must be integer"),
    ((*CONTAINER, "resources", "limits", "memory"), "128 MB", "memory"),
    ((*CONTAINER, "image"), ["trainguard"], "image must be string"),
    (("spec", "selector"), None, "selector"),
])
def test_kubernetes_schemas_are_strict(path, value, mistake):
    """What Kubernetes would refuse, or not know, is found wherever it stands."""
    mistakes, = judged(spoilt(path, value))
    assert mistake in " ".join(mistakes)


def test_the_sidecar_is_native():
    """An init container that stays, with a startup probe, and nothing that ends it before the others."""
    pod = next(o for o in objects()["Deployment"] if o["metadata"]["name"] == "notebook")
    guard, = pod["spec"]["template"]["spec"]["initContainers"]
    assert guard["restartPolicy"] == "Always"
    assert "startupProbe" in guard and "lifecycle" not in guard


def test_the_end_fits_into_the_grace_period():
    """preStop's sleep and the configuration's shutdown_timeout are over before the pod is killed."""
    found = objects()
    signing = next(o for o in found["ConfigMap"] if o["metadata"]["name"] == "trainguard-signing")
    texts = {"trainguard-signing": signing["data"]["trainguard.conf"],
             "notebook": (DEPLOY / "kubernetes" / "sidecar" / "trainguard.conf").read_text(encoding="utf-8"),
             "trainguard": (DEPLOY / "kubernetes" / "gateway" / "trainguard.conf").read_text(encoding="utf-8")}
    for one in found["Deployment"]:
        drain = int(re.search(r"shutdown_timeout +(\d+)s;", texts[one["metadata"]["name"]])[1])
        spec = one["spec"]["template"]["spec"]
        guard = next(c for c in containers(one) if c["name"] == "trainguard")
        sleep = guard["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in guard else 0
        assert sleep + drain + 5 <= spec["terminationGracePeriodSeconds"]


def test_the_configuration_that_signs_loads(tmp_path):
    """The ConfigMap's text, with its paths moved here."""
    found = objects()
    signing = next(o for o in found["ConfigMap"] if o["metadata"]["name"] == "trainguard-signing")
    secrets = {o["metadata"]["name"]: o["stringData"] for o in found["Secret"]}
    (tmp_path / "audit.key").write_text(secrets["trainguard-keys"]["audit.key"])
    (tmp_path / "keys").write_text(secrets["trainguard-callers"]["keys"])
    (tmp_path / "keys").chmod(0o400)
    text = signing["data"]["trainguard.conf"]
    for folder in ("/etc/trainguard-callers", "/etc/trainguard-keys", "/run/trainguard"):
        assert folder in text
        text = text.replace(folder, str(tmp_path))
    (tmp_path / "trainguard.conf").write_text(text)
    run(binary(), "-t", "-c", tmp_path / "trainguard.conf")


def test_the_page_of_directives_is_current():
    """conf/man/make > conf/man/trainguard.conf.5"""
    made = run("/usr/bin/python3", TOP / "conf" / "man" / "make")
    assert made == (TOP / "conf" / "man" / "trainguard.conf.5").read_text(encoding="utf-8")


def test_man_pages_are_well_formed():
    """man has no warnings; every option and command of --help has its paragraph."""
    need("man")
    for page in ("trainguard.8", "trainguard.conf.5"):
        got = subprocess.run(["man", "--warnings", "-l", TOP / "conf" / "man" / page],
                             capture_output=True, text=True, check=False)
        assert (got.returncode, got.stderr) == (0, "")
    text = (TOP / "conf" / "man" / "trainguard.8").read_text(encoding="utf-8").replace("\\", "")
    for option in re.findall(r"^  (-\w|--\w+)\b", run(binary(), "--help"), re.M):
        assert option in text, option
    for command in re.findall(r"^  ([a-z]+) ", run(binary(), "--help"), re.M):
        assert f"\n.TP\nfB{command}" in text, command


def test_completion_knows_signals_and_commands(tmp_path):
    """In a shell that has it."""
    (tmp_path / "trainguard").symlink_to(binary())
    script = (f"source {DEPLOY}/completion.bash; COMP_WORDS=({tmp_path}/trainguard %s ''); "
              "COMP_CWORD=%d; _trainguard; echo ${COMPREPLY[@]}")
    assert run("bash", "-c", script % ("-s", 2)).split() == ["stop", "quit", "reload", "reopen"]
    commands = run("bash", "-c", script % ("", 1)).split()
    assert "audit" in commands
    assert set(commands) == set(re.findall(r"^  ([a-z]+) ", run(binary(), "--help"), re.M))


@pytest.mark.long
def test_the_package(tmp_path):
    """CPack makes it; dpkg-deb says what is in it."""
    need("cpack")
    need("dpkg-deb")
    build = pathlib.Path(binary()).parent
    if not (build / "CPackConfig.cmake").exists():
        pytest.skip("not a build folder")
    run("cpack", "--config", "CPackConfig.cmake", "-B", tmp_path, cwd=build)
    package, = tmp_path.glob("*.deb")
    listed = run("dpkg-deb", "-c", package)
    for path in ("usr/sbin/trainguard", "etc/trainguard/trainguard.conf", "man8/trainguard.8",
                 "man5/trainguard.conf.5", "systemd/system/trainguard.service",
                 "completions/trainguard", "logrotate.d/trainguard"):
        assert path in listed, path
    assert "doc/trainguard/conf/policies/gpu-budget.conf\n" in listed
    for link in re.findall(r"\]\(([a-z][^):#]*)[^)]*\)", (TOP / "README.md").read_text(encoding="utf-8")):
        assert f"doc/trainguard/{link}\n" in listed, f"README.md leads to {link}"
    assert "libevent" in run("dpkg-deb", "-f", package, "Depends")
    assert "/etc/trainguard/trainguard.conf" in run("dpkg-deb", "-I", package, "conffiles")
