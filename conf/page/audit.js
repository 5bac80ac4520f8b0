// The audit log and the limits.
import { copyable, el, facts, keyed, mark, say } from "./dom.js";
import { ago, bytes, count, cut } from "./format.js";
import { t } from "./words.js";

const at = (id) => document.getElementById(id);

function heads(workers) {
    const node = at("audit-body").heads ??= el("ul", { class: "heads" });
    keyed(node, workers.filter((w) => w.audit_chain), (w) => w.audit_stream, () => el("li", { class: "mono" }), (li, w) => {
        const words = `${w.audit_stream} #${w.audit_seq} ${w.audit_chain.slice(0, 16)}…`;
        if (li.dataset.words === words)
            return;
        li.dataset.words = words;
        li.replaceChildren(el("span", { class: "quiet" }, `${w.audit_stream} #${count(w.audit_seq)} `), copyable(w.audit_chain, `${w.audit_chain.slice(0, 12)}…`));
    });
    return node;
}

function auditRows(status) {
    const a = status.audit ?? {};
    const lost = (a.dropped ?? 0) + (a.too_long ?? 0);
    const workers = (status.workers ?? []).filter((w) => w.audit_chain);
    return [
        [t("target"), `${a.target ?? "–"}${a.mode ? `, ${a.mode}` : ""}${a.body ? `, audit_body ${a.body}` : ""}`],
        [t("last_write"), a.last_write ? ago((Date.parse(status.now) - Date.parse(a.last_write)) / 1000) : "–", { title: a.last_write ?? "" }],
        [t("records"), count(a.events)],
        [t("lost"), count(lost), { state: lost > 0 ? "bad" : "good" }],
        a.write_errors > 0 ? [t("write_errors"), count(a.write_errors), { state: "warn" }] : null,
        a.queued_bytes > 0 ? [t("waiting"), bytes(a.queued_bytes)] : null,
        a.trouble ? [t("trouble"), a.trouble, { state: "bad" }] : null,
        a.disk_free_bytes !== undefined ? [t("disk_left"), `${bytes(a.disk_free_bytes)} (${Math.round(a.disk_free_bytes / a.disk_bytes * 100)} %)`, { state: a.disk_free_bytes < a.disk_bytes / 20 ? "bad" : null }] : null,
        workers.length > 0 ? [t("chain_heads"), heads(workers)] : null,
    ];
}

function limitRow() {
    return el("tr", {}, el("th", { scope: "row", class: "mono" }), el("td", { class: "quiet" }), ...["fail", "dryrun", "keys", "lost"].map((c) => el("td", { class: `number ${c}` })));
}

function updateLimit(row, l) {
    say(row.cells[0], named(l)); // of a place only the file's name and the line
    mark(row.cells[0], "title", l.rule);
    say(row.cells[1], `${l.limit} ${l.by}`);
    [l.refused, l.dry_run, l.keys, l.given_up + l.shared].forEach((n, i) => {
        say(row.cells[i + 2], count(n));
        mark(row.cells[i + 2], "data-some", n > 0 && i < 2 ? "" : null);
    });
}

// Shows a list of facts under its heading, or hides both.
function fill(node, rows) {
    mark(node, "hidden", rows.length > 0 ? null : "");
    facts(node.lastChild, rows);
}

const named = (l) => l.rule.replace(/^.*\//, "");

function busiest(l) {
    return (l.busiest ?? []).map((k) => [`${named(l)} · ${k.key === "" ? t("unknown") : cut(k.key.replace("hmac-sha256:", ""), 40)}`,
        [`${count(k.percent)} %`, k.refused > 0 ? `${t("refused")} ${count(k.refused)}` : null].filter(Boolean).join(" · "),
        { state: k.percent === 100 ? "warn" : null, title: k.key }]);
}

function store(s) {
    const words = [t(s.up ? "store_up" : "store_away"), t("gateways", count(s.gateways)),
        s.fallback > 0 ? t("without_it", count(s.fallback)) : null, s.last_error || null];
    return [s.store, words.filter(Boolean).join(" · "), { state: s.up ? "good" : "bad" }];
}

function showLimits(node, status) {
    const limits = status.limits ?? [];
    const [, table, keys, stores] = node.children;
    mark(node, "hidden", limits.length > 0 || (status.limit_stores ?? []).length > 0 ? null : "");
    mark(table, "hidden", limits.length > 0 ? null : "");
    keyed(table.querySelector("tbody"), limits, (l) => l.rule, limitRow, updateLimit);
    fill(keys, limits.flatMap(busiest));
    fill(stores, (status.limit_stores ?? []).map(store));
}

const block = (title) => el("div", { class: "block" }, el("h3", { "data-t": title }, t(title)), el("dl", { class: "facts wide" }));

export function showAudit(status) {
    const body = at("audit-body");
    if (body.firstChild === null) {
        const titles = ["limit", "kind", "refused", "dryrun_short", "keys_known", "forgotten"];
        body.append(el("dl", { class: "facts wide" }), el("div", { class: "block" }, el("h3", { "data-t": "limits" }, t("limits")),
            el("div", { class: "scroll", tabindex: "0", role: "region", "data-t-label": "limits" }, el("table", { class: "rules limits" }, el("thead", {}, el("tr", {}, titles.map((h) => el("th", { scope: "col", "data-t": h }, t(h))))), el("tbody"))),
            block("busiest"), block("limit_stores")));
    }
    facts(body.children[0], auditRows(status));
    showLimits(body.children[1], status);
}
