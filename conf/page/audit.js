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
    return el("tr", {}, el("th", { scope: "row", class: "mono" }), ...["keys", "given_up"].map((c) => el("td", { class: `number ${c}` })), el("td", { class: "busiest" }));
}

function updateLimit(row, l) {
    say(row.cells[0], l.rule);
    say(row.cells[1], count(l.keys));
    say(row.cells[2], count(l.given_up));
    say(row.cells[3], (l.busiest ?? []).map((b) => `${cut(b.key, 24)} ${b.use}`).join(", ") || "–");
}

function showLimits(node, status) {
    const limits = status.limits ?? [];
    const kinds = Object.entries(status.limited ?? {}).filter(([, n]) => n.refused + n.dry_run > 0);
    mark(node, "hidden", limits.length + kinds.length > 0 ? null : "");
    facts(node.children[1], kinds.map(([kind, n]) => [`limit_${kind}`, `${t("refused")} ${count(n.refused)} · ${t("result_dryrun")} ${count(n.dry_run)}`, { state: n.refused > 0 ? "warn" : null }]));
    mark(node.children[2], "hidden", limits.length > 0 ? null : "");
    keyed(node.querySelector("tbody"), limits, (l) => l.rule, limitRow, updateLimit);
}

export function showAudit(status) {
    const body = at("audit-body");
    if (body.firstChild === null) {
        const titles = ["limit", "keys_known", "forgotten", "busiest"];
        body.append(el("dl", { class: "facts wide" }), el("div", { class: "block" }, el("h3", { "data-t": "limits" }, t("limits")), el("dl", { class: "facts wide" }),
            el("div", { class: "scroll", tabindex: "0", role: "region", "data-t-label": "limits" }, el("table", { class: "rules" }, el("thead", {}, el("tr", {}, titles.map((h) => el("th", { scope: "col", "data-t": h }, t(h))))), el("tbody")))));
    }
    facts(body.children[0], auditRows(status));
    showLimits(body.children[1], status);
}
