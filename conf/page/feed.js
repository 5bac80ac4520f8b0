// The live records: server-sent events, taken up again where they broke off. Nobody looks at a
// hidden page: its feed rests, so that the gateway writes nothing for it.
import { place } from "./dom.js";

const restAfter = 60000, tryAgain = 5000;

let source = null;
let last = "";   // the id of the newest event
let epoch = "";  // of the gateway's counters
let timer = 0;

// `on` has: record(id, record), skipped(n), anew(), state("open" | "broken" | "full" | "resting").
function open(on) {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(place(last === "" ? "events" : `events?after=${encodeURIComponent(last)}`));
    source.addEventListener("hello", (event) => {
        const before = epoch;
        epoch = JSON.parse(event.data).epoch;
        if (before !== "" && before !== epoch)
            on.anew();
        on.state("open");
    });
    source.addEventListener("message", (event) => {
        last = event.lastEventId;
        try {
            on.record(event.lastEventId, JSON.parse(event.data));
        } catch {
            on.skipped(1); // no JSON: nothing that can be shown
        }
    });
    source.addEventListener("skipped", (event) => {
        last = event.lastEventId;
        on.skipped(Number(event.data));
    });
    source.addEventListener("error", () => {
        const ended = source.readyState === EventSource.CLOSED; // refused: the browser gives up
        on.state(ended ? "full" : "broken");
        if (ended)
            timer = setTimeout(() => open(on), tryAgain);
    });
}

function rest(on) {
    source?.close();
    source = null;
    on.state("resting");
}

export function startFeed(on) {
    open(on);
    document.addEventListener("visibilitychange", () => {
        clearTimeout(timer);
        if (document.hidden)
            timer = setTimeout(() => rest(on), restAfter);
        else if (source === null || source.readyState === EventSource.CLOSED)
            open(on);
    });
}
