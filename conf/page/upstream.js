// Upstreams: servers, errors, certificates, credentials. What this gateway does not tell is left out.
import { el, facts, mark } from "./dom.js";
import { count, cut } from "./format.js";
import { t } from "./words.js";

const at = (id) => document.getElementById(id);
const day = 86400000;
const most = 64; // servers that are shown

let certificates = [], credentials = [];

export function takeCertificates(answer) {
    certificates = answer.certificates ?? [];
}

export function takeCredentials(answer) {
    credentials = answer?.credentials ?? [];
}

function block(id, title) {
    return el("div", { class: "block", "data-block": id }, el("h3", { "data-t": title }, t(title)), el("dl", { class: "facts wide" }));
}

// Shows a block with rows, or hides it.
function fill(node, rows) {
    mark(node, "hidden", rows.length > 0 ? null : "");
    facts(node.lastChild, rows);
}

const words = (value) => typeof value === "object" && value !== null
    ? Object.entries(value).map(([k, v]) => `${k} ${words(v)}`).join(", ") : String(value);

// A server's state, in whatever members it is told.
function server(upstream, s) {
    const { server: name, address, state, ...rest } = typeof s === "string" ? { server: s } : s;
    const bad = ["down", "failed", "unreachable"].includes(state);
    return [`${upstream.name}: ${name ?? address}`, [state, ...Object.entries(rest).map(([k, v]) => `${k.replaceAll("_", " ")} ${words(v)}`)].filter(Boolean).join(" · ") || "–",
        { state: bad ? "bad" : state === "up" ? "good" : null }];
}

function certificate(c, now) {
    if (c.problem)
        return [`${c.use}: ${cut(c.file, 60)}`, c.problem, { state: "bad" }];
    const days = Math.floor((c.not_after_seconds * 1000 - now) / day);
    return [`${t(`use_${c.use}`)}: ${c.subject}`, days < 0 ? t("ended") : t("days_left", count(days)), { state: days < 0 ? "bad" : days < 30 ? "warn" : null, title: `${c.file}, ${c.not_after}` }];
}

function credential(c, states) {
    const { name, ...rest } = { ...c, state: states[c.name] ?? c.state }; // the state is told each second
    return [name ?? "–", Object.entries(rest).map(([k, v]) => `${k.replaceAll("_", " ")} ${words(v)}`).join(" · "),
        { state: ["expired", "none"].includes(rest.state) ? "bad" : null }];
}

// Those that fail first; of very many the rest is a number.
function servers(status) {
    const rows = (status.upstreams ?? []).flatMap((u) => (u.servers ?? []).map((s) => server(u, s)));
    rows.sort(([, , a], [, , b]) => (b.state === "bad") - (a.state === "bad"));
    return rows.length > most ? [...rows.slice(0, most), ["…", t("skipped", count(rows.length - most))]] : rows;
}

export function showUpstream(status) {
    const body = at("upstream-body");
    if (body.firstChild === null)
        body.append(el("dl", { class: "facts wide" }), block("servers", "servers"), block("errors", "errors_by_kind"), block("certificates", "certificates"), block("credentials", "credentials"));
    const [sums, list, errors, certs, keys] = body.children;
    const now = Date.parse(status.now);
    const workers = status.workers ?? [];
    const outcomes = status.upstream_outcomes ?? {};
    facts(sums, [
        [t("connections"), count(workers.reduce((n, w) => n + w.upstream_connections, 0))],
        [t("answers"), `${t("succeeded")} ${count(outcomes.success ?? 0)} · ${t("failed")} ${count(outcomes.failure ?? 0)} · ${t("unknown")} ${count(outcomes.unknown ?? 0)}`],
    ]);
    fill(list, servers(status));
    const kinds = Object.entries(status.upstream_errors ?? {}).filter(([, n]) => n > 0);
    fill(errors, kinds.length > 0 ? kinds.map(([kind, n]) => [kind, count(n), { state: "bad" }]) : [[t("errors"), "0"]]);
    fill(certs, certificates.map((c) => certificate(c, now)));
    fill(keys, credentials.map((c) => credential(c, status.credentials ?? {})));
}

