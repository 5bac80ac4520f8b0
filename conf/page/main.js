// The page: asks for /status once a second, listens to /events, and leads the keyboard.
import { showAudit } from "./audit.js";
import { mark, place, say } from "./dom.js";
import { startFeed } from "./feed.js";
import { showLost, showNow } from "./now.js";
import { showPolicies, startPolicies, takePolicies } from "./policies.js";
import { closeRecord, drawRecord, openRecord, recordIsOpen, takeTopics } from "./record.js";
import { draw, focusChosen, startRequests, take, walk } from "./requests.js";
import { takeHistory } from "./series.js";
import { showUpstream, takeCertificates, takeCredentials } from "./upstream.js";
import { onLanguage, startWords, t } from "./words.js";

const at = (id) => document.getElementById(id);
const every = 1000;

let latest = null;   // the last /status
let loadedFor = "";  // the configuration that policies and certificates were asked of
let loadedAt = 0;
let feed = "broken";
let gaps = 0;

async function ask(path) {
    const answer = await fetch(place(path), { cache: "no-store" });
    if (!answer.ok)
        throw new Error(answer.status === 401 || answer.status === 403 || answer.status === 421 ? "state_refused" : "state_lost");
    return answer.json();
}

// What changes with the configuration, and days left, which change by themselves.
async function load(status) {
    const key = `${status.started} ${status.generation}`;
    if (key === loadedFor && performance.now() - loadedAt < 60000)
        return;
    loadedFor = key;
    loadedAt = performance.now();
    takePolicies(await ask("policies"));
    takeCertificates(await ask("certs"));
    takeTopics(await ask("topics"));
    takeCredentials(await ask("credentials"));
}

function show() {
    if (latest === null)
        return;
    showNow(latest);
    showPolicies(latest);
    showUpstream(latest);
    showAudit(latest);
}

async function poll() {
    try {
        const status = await ask("status");
        await load(status);
        latest = status;
        show();
    } catch (e) {
        showLost(e.message.startsWith("state_") ? e.message : "state_lost");
    }
}

function pollOn() {
    if (document.hidden) {
        document.addEventListener("visibilitychange", () => poll().then(() => setTimeout(pollOn, every)), { once: true });
        return;
    }
    poll().then(() => setTimeout(pollOn, every));
}

// Quiet: what somebody hears who does not see is that the feed broke, and that it came back.
function showFeed(state) {
    const before = feed;
    feed = state;
    say(at("feed-state"), t(`feed_${state}`));
    mark(at("feed-state"), "data-state", state === "open" ? "good" : "warn");
    if (before !== state && !(before === "broken" && state === "open" && at("news").textContent === ""))
        say(at("news"), t(`feed_${state}`));
}

function openIt(event) {
    openRecord(event);
}

function closeIt() {
    if (closeRecord())
        focusChosen();
}

const keys = {
    j: () => walk(1),
    k: () => walk(-1),
    ArrowDown: (e) => at("list").contains(e.target) && (e.preventDefault(), walk(1)),
    ArrowUp: (e) => at("list").contains(e.target) && (e.preventDefault(), walk(-1)),
    Escape: () => closeIt(),
};

function startKeys() {
    document.addEventListener("keydown", (e) => {
        const typing = e.target.matches("input, textarea, select");
        if (e.ctrlKey || e.altKey || e.metaKey || (typing && e.key !== "Escape"))
            return;
        keys[e.key]?.(e);
    });
    at("close").addEventListener("click", closeIt);
}

startWords();
startKeys();
startRequests(openIt);
startPolicies(openIt);
startFeed({
    record: (id, record) => take({ id, record }),
    skipped: (n) => take({ id: `gap${++gaps}`, gap: n }),
    anew: () => take({ id: `gap${++gaps}`, gap: null }),
    state: showFeed,
});
onLanguage(() => {
    show();
    draw();
    showFeed(feed);
    if (recordIsOpen())
        drawRecord();
});
ask("history").then(takeHistory).catch(() => {}).then(pollOn);
