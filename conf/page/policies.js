// Policies: what each rule did, what it would have refused, and the exceptions to it.
import { el, facts, keyed, mark, say } from "./dom.js";
import { ago, clock, count, cut } from "./format.js";
import { failuresOf, filterRule, nameOf } from "./requests.js";
import { t } from "./words.js";

const at = (id) => document.getElementById(id);
const day = 86400000;

let loaded = { policies: [], exceptions: [] };
let unfolded = ""; // the rule whose failures are shown
let open = () => {};

// /policies tells of each location; the same policy of several is one.
export function takePolicies(answer) {
    const policies = new Map(), exceptions = new Map();
    for (const place of answer.locations ?? []) {
        for (const p of place.policies ?? [])
            policies.set(p.name, p);
        for (const e of place.exceptions ?? [])
            exceptions.set(`${e.policy}\n${e.name}`, e);
    }
    loaded = { policies: [...policies.values()], exceptions: [...exceptions.values()] };
}

// Sums of /status for one rule: {pass, fail, warn, dryrun, skip, error, last}.
function sums(status, policy, rule) {
    const out = { pass: 0, fail: 0, warn: 0, dryrun: 0, skip: 0, error: 0, last: null };
    for (const r of status.policy_results ?? []) {
        if (r.policy !== policy || r.rule !== rule)
            continue;
        out[r.mode === "dryrun" && r.result !== "skip" && r.result !== "pass" ? "dryrun" : r.result] += r.n;
        if (r.last && (out.last === null || r.last > out.last))
            out.last = r.last;
    }
    return out;
}

function makeRule() {
    const name = el("button", { type: "button", class: "link", "aria-expanded": "false" });
    const row = el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "mode" }), ...["pass", "fail", "warn", "dryrun", "skip"].map((c) => el("td", { class: `number ${c}` })), el("td", { class: "last quiet" }));
    name.addEventListener("click", () => {
        unfolded = unfolded === row.key ? "" : row.key;
        redraw();
    });
    return row;
}

function updateRule(row, { policy, rule, mode, n, now }) {
    row.key = `${policy}\n${rule}`;
    const [, modeCell, pass, fail, warn, dry, skip, last] = row.cells;
    const button = row.cells[0].firstChild;
    say(button, rule);
    mark(button, "aria-expanded", unfolded === row.key);
    say(modeCell, t(`mode_${mode}`));
    say(pass, count(n.pass));
    for (const [cell, value] of [[fail, n.fail + n.error], [warn, n.warn], [dry, n.dryrun], [skip, n.skip]]) {
        say(cell, count(value));
        mark(cell, "data-some", value > 0 ? "" : null);
    }
    say(last, n.last === null ? "–" : ago((Date.parse(now) - Date.parse(n.last)) / 1000));
    mark(last, "title", n.last);
}

function failureRow(event) {
    const r = event.record;
    return el("li", {}, el("button", { type: "button", class: "link", onclick: () => open(event) },
        el("span", { class: "mono quiet" }, clock(r.time)), " ", el("span", { dir: "auto" }, cut(nameOf(r), 40)), " ", el("span", { class: "quiet" }, cut(r.principal ?? "", 20))));
}

function makePolicy() {
    const heads = ["rule", "mode", "passed", "refused", "warned", "dryrun_short", "excepted_short", "last_hit"];
    return el("div", { class: "policy" }, el("h3"), el("p", { class: "quiet", dir: "auto" }),
        el("div", { class: "scroll", tabindex: "0", role: "region" }, el("table", { class: "rules" },
            el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col", "data-t": h }, t(h))))), el("tbody"))),
        el("div", { class: "failures", hidden: true }, el("h4"), el("ol"), el("p", { class: "quiet" })));
}

function showFailures(node, policy) {
    const [name, rule] = unfolded.split("\n");
    const mine = name === policy.name && policy.rules.some((r) => r.name === rule);
    mark(node, "hidden", mine ? null : "");
    if (!mine)
        return;
    const list = failuresOf(name, rule);
    say(node.children[0], t("last_failures", `${name}/${rule}`));
    keyed(node.children[1], list, (e) => e.id, failureRow);
    if (list.length > 0 && node.children[2].firstElementChild === null)
        node.children[2].replaceChildren(el("button", { type: "button", class: "link", onclick: () => filterRule(...unfolded.split("\n")) }, t("show_in_list")));
    else if (list.length === 0)
        say(node.children[2], t("none_seen"));
}

function updatePolicy(node, policy, status) {
    say(node.children[0], policy.name);
    say(node.children[1], policy.description ?? "");
    mark(node.children[2], "aria-label", policy.name);
    const rows = policy.rules.map((r) => ({ policy: policy.name, rule: r.name, mode: r.mode, n: sums(status, policy.name, r.name), now: status.now }));
    keyed(node.querySelector("tbody"), rows, (r) => r.rule, makeRule, updateRule);
    showFailures(node.children[3], policy);
}

function exception(e, now) {
    const days = Math.ceil((Date.parse(`${e.expires}T00:00:00Z`) + day - now) / day);
    const words = !e.holds ? t("ended") : t("days_left", count(days));
    return [`${e.policy}: ${e.name}`, `${t("owner")} ${e.owner}, ${t("ticket")} ${e.ticket}, ${t("until")} ${e.expires} · ${words}`,
        { state: !e.holds ? "off" : days <= 14 ? "warn" : null }];
}

let lastStatus = null;

function redraw() {
    if (lastStatus !== null)
        showPolicies(lastStatus);
}

export function showPolicies(status) {
    lastStatus = status;
    const body = at("policies-body");
    if (body.firstChild === null)
        body.append(el("div", { class: "policy-list" }), el("div", { class: "exceptions" }, el("h3", { "data-t": "exceptions" }, t("exceptions")), el("dl", { class: "facts wide" })));
    const [list, exceptions] = body.children;
    keyed(list, loaded.policies, (p) => p.name, makePolicy, (node, p) => updatePolicy(node, p, status));
    mark(exceptions, "hidden", loaded.exceptions.length > 0 ? null : "");
    facts(exceptions.lastChild, loaded.exceptions.map((e) => exception(e, Date.parse(status.now))));
    say(at("policies-note"), loaded.policies.length > 0 ? "" : t("no_policies"));
}

export function startPolicies(onOpen) {
    open = onOpen;
}
