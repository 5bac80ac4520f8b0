// Numbers, times and foreign text as people read them.
import { language } from "./words.js";

const dash = "–";

// Characters that would hide in a text or turn its direction around: shown by their numbers.
// eslint-disable-next-line no-control-regex
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// A text from outside with nothing in it that cannot be seen.
export function shown(text) {
    return String(text).replace(hidden, (c) =>
        `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// A long text cut in its middle; whole in the title.
export function cut(text, most = 64) {
    const all = Array.from(String(text));
    if (all.length <= most)
        return all.join("");
    const half = Math.floor((most - 1) / 2);
    return all.slice(0, half).join("") + "…" + all.slice(all.length - half).join("");
}

export function count(n) {
    return Number.isFinite(n) ? new Intl.NumberFormat(language()).format(n) : dash;
}

// Something a second.
export function rate(n) {
    if (!Number.isFinite(n))
        return dash;
    const digits = n === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
    return new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
}

// Microseconds.
export function duration(us) {
    if (us === null || us === undefined || Number.isNaN(us))
        return dash;
    if (us === Infinity)
        return "> 5 s";
    const [value, unit] = us < 1000 ? [us, "µs"] : us < 1e6 ? [us / 1000, "ms"] : [us / 1e6, "s"];
    const digits = unit === "µs" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return `${value.toFixed(digits)} ${unit}`;
}

export function bytes(n) {
    if (!Number.isFinite(n))
        return dash;
    const units = ["B", "kB", "MB", "GB", "TB"];
    let i = 0;
    for (; n >= 1000 && i < units.length - 1; i++)
        n /= 1000;
    return `${i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[i]}`;
}

// The time of day of an RFC 3339 text, where the reader is.
export function clock(text) {
    const time = new Date(text);
    if (Number.isNaN(time.getTime()))
        return dash;
    const two = (n) => String(n).padStart(2, "0");
    return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

// How long ago something was, in the language's own words.
export function ago(seconds) {
    if (!Number.isFinite(seconds))
        return dash;
    const steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", Infinity]];
    let n = Math.max(0, seconds);
    for (const [unit, size] of steps) {
        if (n < size)
            return new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" }).format(-Math.floor(n), unit);
        n /= size;
    }
    return dash;
}

// How long, as "3 d 4 h".
export function span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
    const first = parts.findIndex(([n]) => n > 0);
    return first < 0 ? "0 s" : parts.slice(first, first + 2).map(([n, unit]) => `${n} ${unit}`).join(" ");
}
