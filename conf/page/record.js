// One record opened: why, what was changed, what the policies said, where the time went.
import { copyable, el, mark, say } from "./dom.js";
import { bytes, cut, duration } from "./format.js";
import { decisionOf, nameOf } from "./requests.js";
import { language, t } from "./words.js";

const at = (id) => document.getElementById(id);

let shownEvent = null;
let mends = new Map(); // what to do about a rule, in both languages

// /topics, as `trainguard explain` tells them.
export function takeTopics(answer) {
    mends = new Map((answer.topics ?? []).map((topic) => [topic.name, topic]));
}

function part(title, ...children) {
    const filled = children.flat().filter((c) => c !== null);
    return filled.length === 0 ? null : el("section", { class: "part" }, el("h3", {}, title), ...filled);
}

function text(value) {
    return value === undefined ? "" : JSON.stringify(value);
}

// --- why ---

function mend(f) {
    const topic = f.policy ? undefined : mends.get(f.rule);
    return topic === undefined ? null : el("p", { class: "mend" }, language() === "zh" ? topic.mend_zh : topic.mend);
}

function finding(f) {
    return el("li", {},
        el("p", {}, el("code", { class: "pointer", dir: "auto" }, f.pointer === "" || f.pointer === undefined ? t("whole_body") : f.pointer),
            " ", el("span", { dir: "auto" }, f.message ?? "")),
        el("p", { class: "quiet" }, f.policy ? `${t("policy")} ${f.policy}, ${t("rule")} ${f.rule}` : `${t("rule")} ${f.rule ?? "–"}`,
            f.code ? `, ${f.code}` : ""),
        mend(f));
}

function findings(list, kind) {
    return (list ?? []).length === 0 ? [] : [el("ul", { class: `findings ${kind}` }, list.map(finding))];
}

function why(r) {
    const told = (r.violations ?? []).length > 0;
    const ended = !told && r.end !== undefined && r.end !== "done" ? [el("p", { dir: "auto" }, el("code", {}, r.end), " ", r.end_detail ?? "")] : [];
    return part(t("why"), ended, findings(r.violations, "violation"), findings(r.warnings, "warning"));
}

// --- the change ---

function line(sign, pointer, value) {
    return el("div", { class: sign === "+" ? "add" : sign === "-" ? "del" : "move" },
        el("span", { class: "sign" }, sign), el("span", { class: "pointer", dir: "auto" }, pointer), " ",
        el("span", { class: "value", dir: "auto" }, value));
}

// Records of before 0.2.0 have tests before their changes.
function change(op, before) {
    const tested = before?.op === "test" && before.path === (op.from ?? op.path) ? text(before.value) : "";
    const was = op.was === undefined ? tested : text(op.was);
    const lines = {
        replace: () => [line("-", op.path, was || t("value_not_told")), line("+", op.path, text(op.value))],
        add: () => [line("+", op.path, text(op.value))],
        remove: () => [line("-", op.path, was)],
        move: () => [line("-", op.from, was), line("+", op.path, was)],
    }[op.op]?.() ?? [];
    return el("li", {}, ...lines, el("p", { class: "quiet" }, op.why ?? ""));
}

function diff(r) {
    const patch = r.patch ?? [];
    const changes = patch.map((op, i) => op.op === "test" ? null : change(op, patch[i - 1])).filter((c) => c !== null);
    return part(t("change"), changes.length === 0 ? [] : [el("ol", { class: "diff" }, changes)]);
}

// --- policies ---

function result(p) {
    const word = p.exception ? t("excepted", p.exception) : p.mode === "dryrun" && p.result === "fail" ? t("result_dryrun") : t(`result_${p.result}`);
    return el("tr", { "data-result": p.exception ? "skip" : p.mode === "dryrun" ? "dryrun" : p.result },
        el("th", { scope: "row" }, `${p.policy}/${p.rule}`), el("td", {}, el("span", { class: "tag" }, word)),
        el("td", { dir: "auto" }, p.pointer ? el("code", { class: "pointer" }, p.pointer) : "", " ", p.message ?? ""));
}

function policies(r) {
    const list = r["policy.results"] ?? [];
    return part(t("policy_results"), list.length === 0 ? [] : [el("table", { class: "results" }, el("tbody", {}, list.map(result)))]);
}

// --- time ---

function waterfall(r) {
    const total = r.duration_us ?? 0;
    const known = [["filters", r.filter_us ?? 0], ["connect", r.connect_us ?? 0], ["upstream", r.upstream_us ?? 0]];
    const rest = Math.max(0, total - known.reduce((n, [, us]) => n + us, 0));
    let from = 0;
    const rows = [...known, ["rest", rest]].filter(([, us]) => us > 0).map(([name, us]) => {
        const bar = el("span", { class: "bar-of", "data-phase": name });
        bar.style.marginInlineStart = `${total > 0 ? Math.min(99, from / total * 100) : 0}%`;
        bar.style.width = `${total > 0 ? Math.max(0.8, Math.min(100, us / total * 100)) : 0}%`;
        from += us;
        return el("tr", {}, el("th", { scope: "row" }, t(`phase_${name}`)), el("td", { class: "track" }, bar), el("td", { class: "number" }, duration(us)));
    });
    return part(`${t("time")} · ${duration(total)}`, rows.length === 0 ? [] : [el("table", { class: "waterfall" }, el("tbody", {}, rows))]);
}

// --- the rest ---

function pairs(rows) {
    const filled = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
    return filled.length === 0 ? [] : [el("dl", { class: "facts wide" }, filled.map(([name, value]) =>
        el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value))))];
}

const copied = (value) => value === undefined ? undefined : copyable(value, cut(value, 44));

function ids(r) {
    return part(t("ids"), pairs([
        ["request_id", copied(r.request_id)], ["trace_id", copied(r.trace_id)], ["project_id", copied(r.project_id)],
        ["config_name", copied(r.config_name)], ["principal", copied(r.principal)], ["tls.principal", copied(r["tls.principal"])],
        ["request.sha256", copied(r["request.sha256"])], ["forwarded.sha256", copied(r["forwarded.sha256"])]]));
}

function upstream(r) {
    const said = r["upstream.failed"] ? t("said_failed") : r["upstream.outcome"] === "unknown" ? t("said_unknown") : undefined;
    return part(t("upstream"), pairs([
        [t("address"), r["upstream.address"]], [t("status"), r["upstream.status_code"]],
        [t("error_code"), r["upstream.error_code"]], [t("answer"), said]]));
}

const told = new Set(["time", "request_id", "trace_id", "project_id", "config_name", "principal", "tls.principal", "request.sha256",
    "forwarded.sha256", "upstream.address", "upstream.status_code", "upstream.error_code", "upstream.failed", "upstream.outcome",
    "violations", "warnings", "patch", "policy.results", "exceptions", "request.body", "decision", "end", "end_detail", "duration_us",
    "filter_us", "connect_us", "upstream_us", "bytes.in", "bytes.out", "http.request.method", "http.response.status_code"]);

function others(r) {
    const rows = Object.entries(r).filter(([name]) => !told.has(name)).map(([name, value]) => [name, typeof value === "string" ? cut(value, 400) : text(value)]);
    return part(t("more"), pairs([[t("received"), bytes(r["bytes.in"])], [t("sent"), bytes(r["bytes.out"])], ...rows]));
}

function exceptions(r) {
    return part(t("exceptions"), (r.exceptions ?? []).length === 0 ? [] : [el("ul", { class: "findings" }, r.exceptions.map((e) =>
        el("li", {}, `${e.name}: ${t("owner")} ${e.owner ?? "–"}, ${t("ticket")} ${e.ticket ?? "–"}, ${t("last_day")} ${e.last_day ?? "–"}`)))]);
}

function body(r) {
    if (r["request.body"] === undefined)
        return null;
    return el("details", { class: "part" }, el("summary", {}, t("body")), el("pre", { dir: "ltr" }, cut(JSON.stringify(r["request.body"], null, 2), 20000)));
}

function head(event) {
    const r = event.record;
    return el("div", { class: "record-head", "data-decision": decisionOf(r) },
        el("p", {}, el("span", { class: "badge" }, t(`decision_${decisionOf(r)}`)), " ", el("span", { class: "status" }, r["http.response.status_code"] ?? t("no_answer"))),
        el("p", { class: "title", dir: "auto" }, cut(nameOf(r), 400)),
        el("p", { class: "quiet", dir: "auto" }, `${r["http.request.method"] ?? ""} ${cut(r["url.path"] ?? "", 400)}`),
        el("p", { class: "quiet" }, r.time ?? ""));
}

// Builds it anew in the language that is set.
export function drawRecord() {
    if (shownEvent === null)
        return;
    const r = shownEvent.record;
    at("record-body").replaceChildren(...[head(shownEvent), why(r), diff(r), policies(r), exceptions(r), waterfall(r), upstream(r), ids(r), others(r), body(r)]
        .filter((node) => node !== null));
}

export function openRecord(event) {
    shownEvent = event;
    mark(document.body, "data-open", "record");
    at("record").hidden = false;
    drawRecord();
    at("record").scrollTop = 0;
    say(at("record-title"), t("record"));
    at("record").focus({ preventScroll: true });
    if (getComputedStyle(at("record")).position === "static")
        at("record").scrollIntoView({ block: "nearest" });
}

// False when nothing was open.
export function closeRecord() {
    if (shownEvent === null)
        return false;
    shownEvent = null;
    mark(document.body, "data-open", null);
    at("record").hidden = true;
    at("record-body").replaceChildren();
    return true;
}

export const recordIsOpen = () => shownEvent !== null;
