"""What is measured: each scenario is a function over a Bench that returns a Table."""

import statistics
import sys

import load as loads


def say(words):
    """Progress, on standard error."""
    print(words, file=sys.stderr, flush=True)


class Table:
    """Rows for readers, samples for machines."""

    def __init__(self, title, columns):
        self.title, self.columns, self.rows = title, columns, []
        self.samples, self.notes = {}, []

    def row(self, *cells):
        """Adds one row."""
        self.rows.append([str(c) for c in cells])


def median(samples, key):
    """The median of one figure."""
    return statistics.median(s[key] for s in samples)


def ratio(samples, base):
    """CPU time beside the base's, round by round: median, least, greatest."""
    each = [a["cpu_us"] / b["cpu_us"] for a, b in zip(samples, base)]
    return statistics.median(each), min(each), max(each)


def spread(samples, base):
    """The ratio in words."""
    middle, least, most = ratio(samples, base)
    return f"{middle:.2f} ({least:.2f}–{most:.2f})"


PEERS = ("nginx", "trainguard", "nginx_log", "nginx_lua", "nginx_njs", "haproxy", "relay")


def put(bench, options):
    """PUT of the example over kept-alive connections: the whole chain and the audit log."""
    names = options.only.split(",") if options.only else PEERS
    load = loads.Load()
    todo = []
    for name in names:
        server = getattr(bench, name)()
        server.probe()
        todo.append((server.name, server, load))
    samples = loads.rounds(todo, options.rounds, options.seconds, say)
    table = Table(f"PUT of the example, chain: {' '.join(bench.chain) or 'none'}, audit: blocking",
                  ["server", "CPU µs/request", "ratio to nginx", "requests/s", "p50 µs", "p99 µs",
                   "p99.9 µs", "RSS MB", "system calls/request"])
    table.samples = samples
    for label, server, _ in todo:
        calls = loads.syscalls(server, load)
        mine = samples[label]
        table.row(label, f"{median(mine, 'cpu_us'):.2f}",
                  spread(mine, samples["nginx"]) if "nginx" in samples else "",
                  f"{median(mine, 'rps'):.0f}", f"{median(mine, 'p50_us'):.0f}",
                  f"{median(mine, 'p99_us'):.0f}", f"{median(mine, 'p999_us'):.0f}",
                  f"{median(mine, 'rss_kb') / 1024:.1f}",
                  f"{sum(calls.values()):.2f}: " + " ".join(f"{n} {c:.2f}" for n, c in calls.items()))
    return table


ALL = {f.__name__: f for f in (put,)}
