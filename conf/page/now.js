// What happens now: rates, decisions, phases, the gateway itself.
import { el, facts, keyed, mark, say } from "./dom.js";
import { ago, clock, count, duration, rate, span } from "./format.js";
import { byDecision, decisions, phaseLine, phaseNow, phases, rateLine, rateOf, takeStatus } from "./series.js";
import { spark } from "./spark.js";
import { t } from "./words.js";

const at = (id) => document.getElementById(id);

function row(name, ...figures) {
    return el("tr", { "data-name": name }, el("th", { scope: "row" }, el("span", { class: "swatch", "aria-hidden": "true" }), el("span")),
        ...figures.map((f) => el("td", { class: f })), el("td", { class: "line" }));
}

function showRates(status) {
    const total = (s) => s.total;
    say(at("rate"), rate(rateOf(total)));
    spark(at("rate-line"), rateLine(total), t("requests_per_second"));
    const flying = (status.workers ?? []).reduce((n, w) => n + w.requests_in_flight, 0);
    say(at("in-flight"), t("in_flight", count(flying)));
}

function showDecisions(status) {
    const totals = byDecision(status);
    keyed(at("decisions").tBodies[0], decisions, (d) => d, (d) => row(d, "total", "figure-rate"), (node, d) => {
        const i = decisions.indexOf(d);
        const perMinute = rateOf((s) => s.counts[i], 60) * 60;
        say(node.cells[0].lastChild, t(`decision_${d}`));
        say(node.cells[1], count(totals[i]));
        say(node.cells[2], rate(perMinute));
        spark(node.cells[3], rateLine((s) => s.counts[i]), t(`decision_${d}`));
        mark(node, "data-some", totals[i] > 0 ? "" : null);
    });
}

function showPhases(status) {
    const bounds = status.phases?.bounds_us ?? [];
    keyed(at("phases").tBodies[0], phases, (p) => p, (p) => row(p, "p50", "p99"), (node, p) => {
        say(node.cells[0].lastChild, t(`phase_${p}`));
        say(node.cells[1], duration(phaseNow(p, 0.5, bounds)));
        say(node.cells[2], duration(phaseNow(p, 0.99, bounds)));
        spark(node.cells[3], phaseLine(p, 0.99, bounds), `${t(`phase_${p}`)} p99`);
    });
}

// Which workers turn their loops, one mark each.
function loops(list) {
    const node = at("gateway").loops ??= el("span", { class: "loops" });
    keyed(node, list, (w) => w.pid, () => el("span", { class: "loop" }), (mine, w) => {
        mark(mine, "data-state", w.state === "draining" ? "draining" : w.turning === false ? "bad" : w.state);
        mark(mine, "title", `${t("worker")} ${w.worker}, ${w.pid}: ${t(`worker_${w.state}`)}`);
        mark(mine, "role", "img");
        mark(mine, "aria-label", mine.title || mine.getAttribute("title"));
    });
    return node;
}

function reload(status) {
    if (status.reload_failed)
        return [t("reload_failed"), { state: "bad", title: status.reload_failed }];
    if (!status.reloaded)
        return [t("never"), {}];
    return [`${t("done")}, ${ago((Date.parse(status.now) - Date.parse(status.reloaded)) / 1000)}`, { title: status.reloaded }];
}

function showGateway(status) {
    const list = status.workers ?? [];
    const config = status.config ?? {};
    const [words, more] = reload(status);
    facts(at("gateway"), [
        [t("workers"), loops(list)],
        [t("configuration"), config.config || "–", { mono: true }],
        [t("policies"), config.policies || "–", { mono: true }],
        [t("last_reload"), words, more],
        [t("running"), span((Date.parse(status.now) - Date.parse(status.started)) / 1000), { title: `${status.started} (${clock(status.started)})` }],
        status.worker_restarts > 0 ? [t("restarts"), count(status.worker_restarts), { state: "bad" }] : null,
    ]);
}

function showState(status) {
    const bad = (status.checks ?? []).filter((c) => !c.good);
    const state = status.draining ? "draining" : bad.length > 0 ? "bad" : "good";
    mark(at("state"), "data-state", state);
    say(at("state-text"), state === "bad" ? bad.map((c) => `${c.name}: ${c.why}`).join("; ") : t(`state_${state}`));
    say(at("version"), status.version);
}

export function showNow(status) {
    takeStatus(status);
    showRates(status);
    showDecisions(status);
    showPhases(status);
    showGateway(status);
    showState(status);
}

// The gateway does not answer, or not us.
export function showLost(why) {
    mark(at("state"), "data-state", "bad");
    say(at("state-text"), t(why));
}
