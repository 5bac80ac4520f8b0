// The live list: newest first, held still while somebody points at it or walks through it.
import { el, keyed, mark, say } from "./dom.js";
import { clock, count, cut, duration } from "./format.js";
import { decisions } from "./series.js";
import { t } from "./words.js";

const most = 256, ofRule = 10;

const at = (id) => document.getElementById(id);
const list = at("list"), form = at("filters");

let events = []; // newest first
let held = [];   // came while the list stood still
let pointed = false, walking = false;
let chosen = ""; // the id of the row that j and k have come to
let due = false;
let open = () => {};
const wanted = new Set();
const failures = new Map(); // policy and rule: its last failing records

// --- records ---

export function decisionOf(record) {
    return record.decision === "allow" && (record.patch?.length > 0 || record["forwarded.sha256"]) ? "changed" : record.decision ?? "error";
}

// The config, else the path without its long ids.
export function nameOf(record) {
    return record.config_name ?? record["url.path"]?.replaceAll(/\b[0-9a-f]{32}\b/g, "…") ?? t("no_request");
}

const violations = (r) => [...(r.violations ?? []), ...(r.warnings ?? [])];
const failed = (r) => (r["policy.results"] ?? []).filter((p) => p.result !== "pass" && p.result !== "skip");

// The rules a record tells of, those of the contract and of policies.
function rulesOf(r) {
    return [...violations(r), ...(r["policy.results"] ?? [])].map((v) => v.policy ? `${v.policy}/${v.rule}` : v.rule ?? "");
}

function reasonOf(r) {
    const first = violations(r)[0];
    if (first !== undefined)
        return `${first.pointer ? `${first.pointer} ` : ""}${first.message ?? first.rule ?? ""}`;
    const dry = failed(r).filter((p) => p.mode === "dryrun");
    if (dry.length > 0)
        return t("would_refuse", `${dry[0].policy}/${dry[0].rule}`);
    if (r.end !== undefined && r.end !== "done")
        return r.end_detail ?? r.end;
    if (r.patch?.length > 0)
        return t("changes", count(r.patch.filter((p) => p.op !== "test").length));
    return "";
}

function remember(event) {
    for (const p of failed(event.record)) {
        const key = `${p.policy}\n${p.rule}`;
        const before = failures.get(key) ?? [];
        failures.set(key, [event, ...before].slice(0, ofRule));
    }
}

// A rule's last ten failing records, newest first.
export function failuresOf(policy, rule) {
    return failures.get(`${policy}\n${rule}`) ?? [];
}

// --- what is to be seen ---

function holds(text, part) {
    return part === "" || String(text ?? "").toLowerCase().includes(part.toLowerCase());
}

function seen() {
    const { project, config, principal, rule } = Object.fromEntries(new FormData(form));
    return events.filter(({ record: r, gap }) => {
        const all = wanted.size === 0;
        if (gap !== undefined)
            return all;
        return (all || wanted.has(decisionOf(r))) && holds(r.project_id, project) && holds(nameOf(r), config) &&
            (holds(r.principal, principal) || holds(r["tls.principal"], principal)) &&
            (rule === "" || rulesOf(r).some((name) => holds(name, rule)));
    });
}

// --- rows ---

function makeGap() {
    return el("li", { class: "gap quiet" }, el("span"));
}

function makeRow(event) {
    if (event.gap !== undefined)
        return makeGap();
    const cells = ["time", "badge", "status", "method", "name", "reason", "project", "principal", "took"];
    const button = el("button", { type: "button", class: "event", tabindex: "-1", "data-decision": decisionOf(event.record) },
        ...cells.map((c) => el("span", { class: c, dir: c === "name" || c === "reason" ? "auto" : null })));
    button.addEventListener("click", () => {
        choose(event.id, false);
        open(event);
    });
    return el("li", { "data-id": event.id }, button);
}

function updateRow(node, event) {
    if (event.gap !== undefined) {
        say(node.firstChild, event.gap === null ? t("anew") : t("skipped", count(event.gap)));
        return;
    }
    const r = event.record;
    const [time, badge, status, method, name, reason, project, principal, took] = node.firstChild.children;
    if (time.textContent === "") { // nothing of it changes but the language
        say(time, clock(r.time));
        say(status, r["http.response.status_code"] ?? "–");
        say(method, cut(r["http.request.method"] ?? "", 12));
        say(name, cut(nameOf(r), 80));
        mark(name, "title", cut(r["url.path"] ?? "", 400));
        say(project, cut(r.project_id ?? "", 10));
        say(principal, cut((r.principal ?? r["tls.principal"] ?? "").replace("hmac-sha256:", ""), 10));
        say(took, duration(r.duration_us));
    }
    say(badge, t(`decision_${decisionOf(r)}`));
    say(reason, cut(reasonOf(r), 160));
    mark(node.firstChild, "tabindex", event.id === chosen ? "0" : "-1");
    mark(node.firstChild, "aria-current", event.id === chosen ? "true" : null);
}

function chips() {
    const n = Object.fromEntries(decisions.map((d) => [d, 0]));
    for (const e of events)
        if (e.gap === undefined)
            n[decisionOf(e.record)]++;
    keyed(at("chips"), decisions, (d) => d, (d) => el("button", { type: "button", class: "chip", "data-decision": d,
        onclick: () => {
            if (!wanted.delete(d))
                wanted.add(d);
            draw();
        } }, el("span", { class: "swatch", "aria-hidden": "true" }), el("span"), el("span", { class: "n" })), (node, d) => {
        say(node.children[1], t(`decision_${d}`));
        say(node.children[2], count(n[d]));
        mark(node, "aria-pressed", wanted.has(d));
    });
}

function showHeld() {
    const n = held.reduce((sum, e) => sum + (e.gap === undefined ? 1 : e.gap ?? 0), 0);
    at("held").hidden = !standing();
    say(at("release"), n > 0 ? t("paused_new", count(n)) : t("paused"));
}

export function draw() {
    due = false;
    chips();
    showHeld();
    const rows = seen();
    if (!rows.some((e) => e.id === chosen && e.gap === undefined))
        chosen = rows.find((e) => e.gap === undefined)?.id ?? "";
    keyed(list, rows, (e) => e.id, makeRow, updateRow);
    say(at("empty"), rows.length > 0 ? "" : events.length > 0 ? t("none_match") : t("none_yet"));
}

// At most a few times a second, however fast records come.
function drawSoon() {
    if (due)
        return;
    due = true;
    setTimeout(() => requestAnimationFrame(draw), 200);
    if (document.hidden) // no frames there
        setTimeout(() => due && draw(), 1000);
}

// --- what comes ---

const standing = () => pointed || walking;

// A gap stands where it was: two that meet are one.
function push(to, event) {
    if (event.gap > 0 && to[0]?.gap > 0)
        to[0] = { ...to[0], gap: to[0].gap + event.gap };
    else
        to.unshift(event);
    let n = 0;
    const end = to.findIndex((e) => e.gap === undefined && ++n > most);
    if (end >= 0)
        to.length = end;
}

export function take(event) {
    if (event.gap === undefined)
        remember(event);
    push(standing() ? held : events, event);
    if (standing())
        showHeld();
    else
        drawSoon();
}

function release() {
    if (standing())
        return;
    for (const event of held.reverse())
        push(events, event);
    held = [];
    draw();
}

// --- walking through it ---

function choose(id, focus) {
    chosen = id;
    draw();
    const button = list.querySelector(`[data-id="${CSS.escape(id)}"] button`);
    if (focus)
        button?.focus();
    button?.scrollIntoView({ block: "nearest" });
}

export function walk(by) {
    const rows = seen().filter((e) => e.gap === undefined);
    const i = rows.findIndex((e) => e.id === chosen);
    const inside = list.contains(document.activeElement);
    const next = rows[i < 0 ? 0 : !inside ? i : Math.min(rows.length - 1, Math.max(0, i + by))];
    if (next !== undefined)
        choose(next.id, true);
}

// Sets the filter of rules, and shows the list.
export function filterRule(policy, rule) {
    form.elements.rule.value = `${policy}/${rule}`;
    draw();
    at("requests").scrollIntoView({ block: "start" });
    at("requests").focus({ preventScroll: true });
}

// Back to the row that was open.
export function focusChosen() {
    list.querySelector(`[data-id="${CSS.escape(chosen)}"] button`)?.focus();
}

export function startRequests(onOpen) {
    open = onOpen;
    list.addEventListener("pointerenter", (e) => { pointed = e.pointerType !== "touch"; showHeld(); });
    list.addEventListener("pointerleave", () => { pointed = false; release(); });
    list.addEventListener("focusin", (e) => { walking = e.target.matches(":focus-visible"); showHeld(); });
    list.addEventListener("focusout", (e) => {
        walking = list.contains(e.relatedTarget) && walking;
        release();
    });
    at("release").addEventListener("click", () => { pointed = walking = false; release(); });
    form.addEventListener("input", draw);
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("reset", () => { wanted.clear(); setTimeout(draw); });
    draw();
}
