// What /status counts, kept as samples of the last 15 minutes. Times are the browser's monotonic
// seconds: a clock that is set, here or there, moves nothing.

export const decisions = ["allow", "changed", "warn", "deny", "invalid", "error"];
export const phases = ["filters", "connect", "upstream"];
export const step = 5, steps = 180;

const samples = []; // every `step` seconds, oldest first
const recent = [];  // every answer of the last minute

export const now = () => performance.now() / 1000;

// The requests of a status by decision; those that were changed stand apart.
export function byDecision(status) {
    const n = status.requests ?? {};
    const changed = status.changed ?? 0;
    return decisions.map((d) => d === "changed" ? changed : d === "allow" ? (n.allow ?? 0) - changed : n[d] ?? 0);
}

function sampleOf(t, counts, buckets) {
    return { t, counts, buckets, total: counts.reduce((a, b) => a + b, 0) };
}

// Counters that went back are those of another program: nothing before them counts.
function begunAnew(list, sample) {
    if (list.length > 0 && sample.total < list.at(-1).total)
        list.length = 0;
}

function keep(list, sample, age) {
    begunAnew(list, sample);
    list.push(sample);
    while (list.length > 0 && sample.t - list[0].t > age)
        list.shift();
}

// /history: {"samples": [{"age": seconds, "counts": [6], "phases": [3][buckets]}]}, oldest first.
export function takeHistory(history) {
    const t = now();
    samples.length = 0;
    for (const s of history.samples ?? [])
        samples.push(sampleOf(t - s.age, s.counts, s.phases));
}

export function takeStatus(status) {
    const buckets = phases.map((p) => status.phases?.[p]?.buckets ?? []);
    const sample = sampleOf(now(), byDecision(status), buckets);
    keep(recent, sample, 60);
    begunAnew(samples, sample);
    if (samples.length === 0 || sample.t - samples.at(-1).t >= step - 0.5)
        keep(samples, sample, step * steps);
}

// What was added between now and `seconds` ago, by `of(sample)`, and the seconds it took.
function since(seconds, of) {
    const last = recent.at(-1);
    const first = recent.find((s) => last.t - s.t <= seconds + 0.5) ?? last;
    return first === undefined || first === last ? null : { n: of(last) - of(first), took: last.t - first.t };
}

// Per second, of the last seconds; NaN when not known yet.
export function rateOf(of, seconds = 5) {
    const s = since(seconds, of);
    return s === null ? NaN : s.n / s.took;
}

// The quantile q of bucket counts (not cumulative) by their upper bounds; linear within a bucket.
export function quantile(q, counts, bounds) {
    const total = counts.reduce((a, b) => a + b, 0);
    let left = q * total;
    if (total <= 0)
        return null;
    for (let i = 0; i < counts.length; i++) {
        if (counts[i] > 0 && left <= counts[i]) {
            if (i >= bounds.length)
                return Infinity;
            const low = i === 0 ? 0 : bounds[i - 1];
            return low + (bounds[i] - low) * (left / counts[i]);
        }
        left -= counts[i];
    }
    return Infinity;
}

const minus = (a, b) => a.map((n, i) => n - (b?.[i] ?? 0));

// The quantile of a phase in the last minute, microseconds; null without requests.
export function phaseNow(phase, q, bounds) {
    const i = phases.indexOf(phase);
    const last = recent.at(-1);
    if (last === undefined)
        return null;
    const first = samples.findLast((s) => last.t - s.t >= 60) ?? samples[0];
    const counts = first === undefined || first === last ? last.buckets[i] : minus(last.buckets[i], first.buckets[i]);
    return quantile(q, counts, bounds);
}

// One value per step, oldest first; null where nothing is known. `of(later, earlier)` is it.
function line(of) {
    const out = new Array(steps).fill(null);
    const t = now();
    for (let i = 1; i < samples.length; i++) {
        const at = steps - 1 - Math.floor((t - samples[i].t) / step);
        if (at >= 0 && at < steps)
            out[at] = of(samples[i], samples[i - 1]);
    }
    for (let i = 1; i < steps - 1; i++) // a sample that came a moment late
        if (out[i] === null && out[i - 1] !== null && out[i + 1] !== null)
            out[i] = out[i - 1];
    return out;
}

export function rateLine(of) {
    return line((a, b) => Math.max(0, (of(a) - of(b)) / Math.max(1, a.t - b.t)));
}

export function phaseLine(phase, q, bounds) {
    const i = phases.indexOf(phase);
    return line((a, b) => quantile(q, minus(a.buckets[i], b.buckets[i]), bounds));
}
