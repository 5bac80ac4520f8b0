"""Results as JSON, Markdown and a picture."""

import datetime
import json
import re
import statistics
import subprocess

import machine
import servers

RESULTS = servers.HERE / "results"
KEPT = 3  # runs of each scenario
MOST_OTHERS = 0.05  # of all cores that other processes may take
ORDER = ("price", "put", "passthrough", "body", "connections", "idle", "scaling",
         "newtls", "rules", "audit", "stream", "json", "viewer")


def others(table):
    """What other processes took of all cores: the median over all samples, and the most."""
    shares = [one["others"] for samples in table.samples.values() if isinstance(samples, list)
              for one in samples if "others" in one]
    return (statistics.median(shares), max(shares)) if shares else (0.0, 0.0)


def keep(name, table, options):
    """Adds a run to results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    runs = json.loads(file.read_text(encoding="utf-8"))["runs"] if file.exists() else []
    commit = subprocess.run(["git", "-C", servers.TOP, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    runs.append({
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit, "rounds": options.rounds, "seconds": options.seconds,
        "machine": machine.describe(), "title": table.title, "markdown": table.markdown(),
        "samples": table.samples, "others": others(table),
    })
    file.write_text(json.dumps({"runs": runs[-KEPT:]}, indent=1, ensure_ascii=False,
                               default=lambda o: o) + "\n", encoding="utf-8")


def machine_words(m):
    """One line about the machine."""
    versions = ", ".join(f"{n} {v}" for n, v in m["versions"].items())
    return (f"{m['cpu']}{' (virtual)' if m['virtual'] else ''}, {m['cores']} cores, Linux "
            f"{m['kernel']}, {m['system']}; {versions}")


def noise(run):
    """How quiet the machine was; older runs did not look."""
    if "others" not in run:
        return ""
    return " Other processes took {:.1%} of the cores in the median, {:.1%} at most.".format(
        *run["others"])


def ratios(run, name, base="nginx"):
    """Round by round."""
    samples = run["samples"]
    return [a["cpu_us"] / b["cpu_us"] for a, b in zip(samples[name], samples[base])]


def write():
    """RESULTS.md from all results, and the picture from the last `put`."""
    out = ["# Results", "", "Made by `./dev bench`; every figure is a median over interleaved "
           "rounds. CPU time is what the kernel accounts to the server's processes, per request.",
           "In brackets: the least and the greatest round.", ""]
    for name in ORDER:
        file = RESULTS / f"{name}.json"
        if not file.exists():
            continue
        runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
        last = runs[-1]
        out += [f"## {name}: {last['title']}", "",
                f"{last['when']}, {last['rounds']} rounds of {last['seconds']} s.{noise(last)}", "",
                last["markdown"]]
        if name == "put":
            out += ["Ratio to nginx of the last runs: " + "; ".join(
                f"{r['when']}: {statistics.median(ratios(r, 'trainguard')):.2f} "
                f"({min(ratios(r, 'trainguard')):.2f}–{max(ratios(r, 'trainguard')):.2f})"
                for r in runs if {"nginx", "trainguard"} <= r["samples"].keys()) + ".", ""]
            picture(last)
        words = machine_words(last["machine"])
        if words not in out:
            out += [words, ""]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"
    (servers.HERE / "RESULTS.md").write_text(text, encoding="utf-8")


def escape(words):
    """For SVG."""
    return words.replace("&", "&amp;").replace("<", "&lt;")


LABELS = {"nginx": "nginx, proxy_pass alone", "nginx+log": "nginx with a JSON log",
          "nginx+lua": "nginx + Lua", "nginx+njs": "nginx + njs", "haproxy": "HAProxy",
          "relay": "bytes only (HAProxy, tcp)", "trainguard": "trainguard, chain and log"}


def picture(run):
    """A bar per server: CPU time per request, the least and the greatest round as a line."""
    samples = {n: [s["cpu_us"] for s in run["samples"][n]] for n in LABELS if n in run["samples"]}
    rows = sorted(samples, key=lambda n: statistics.median(samples[n]))
    scale = 400 / max(max(v) for v in samples.values())
    height = 110 + 34 * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" '
           'font-family="Helvetica,Arial,sans-serif" font-size="14">',
           "  <title>CPU time per request of trainguard and other servers</title>",
           f'  <rect width="860" height="{height}" fill="#ffffff"/>',
           '  <text x="20" y="30" fill="#0f172a" font-size="16" font-weight="bold">CPU time per '
           "request, one PUT of a training job config over TLS (less is better)</text>"]
    for i, name in enumerate(rows):
        y, values = 52 + 34 * i, samples[name]
        middle = statistics.median(values)
        ours = name == "trainguard"
        ratio = (f", {statistics.median(ratios(run, name)):.2f} × nginx"
                 if "nginx" in samples and name != "nginx" else "")
        out += [f'  <text x="250" y="{y + 16}" text-anchor="end" fill="#0f172a"'
                f'{" font-weight=" + chr(34) + "bold" + chr(34) if ours else ""}>'
                f"{escape(LABELS[name])}</text>",
                f'  <rect x="260" y="{y}" width="{middle * scale:.1f}" height="22" rx="3" '
                f'fill="{"#2563eb" if ours else "#cbd5e1"}"/>',
                f'  <path d="M{260 + min(values) * scale:.1f} {y + 11}H'
                f'{260 + max(values) * scale:.1f}" stroke="#0f172a" stroke-width="1.5"/>',
                f'  <text x="{268 + max(values) * scale:.1f}" y="{y + 16}" fill="#334155" '
                f'font-size="12">{middle:.1f} µs{ratio}</text>']
    for i, words in enumerate(machine_words(run["machine"]).split("; ")):
        out.append(f'  <text x="20" y="{height - 30 + 16 * i}" fill="#64748b" font-size="11">'
                   f"{escape(words)}</text>")
    out += ["</svg>", ""]
    (servers.TOP / "conf" / "pictures" / "bench.svg").write_text("\n".join(out), encoding="utf-8")
