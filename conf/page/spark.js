// Lines of a few minutes: one path, drawn anew only when it has changed.
import { el, mark } from "./dom.js";

const width = 240, height = 40;

function path(values, most, close) {
    const step = width / Math.max(1, values.length - 1);
    let text = "";
    let down = true; // the next point begins a line
    values.forEach((value, i) => {
        if (value === null) {
            down = true;
            return;
        }
        const y = height - 1 - (most > 0 ? Math.min(1, value / most) : 0) * (height - 3);
        text += `${down ? "M" : "L"}${(i * step).toFixed(1)} ${y.toFixed(1)}`;
        down = false;
    });
    if (!close || text === "")
        return text;
    const first = values.findIndex((v) => v !== null);
    return `${text}L${width} ${height}L${(first * step).toFixed(1)} ${height}Z`;
}

// Draws values (null: not known) into `node`; `name` is what somebody hears who does not see it.
export function spark(node, values, name, most = Math.max(0, ...values.filter((v) => v !== null && Number.isFinite(v)))) {
    if (node.firstChild === null)
        node.append(el("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" },
            el("path", { class: "area" }), el("path", { class: "stroke", "vector-effect": "non-scaling-stroke" })));
    const [area, stroke] = node.firstChild.children;
    const finite = values.map((v) => v === Infinity ? most : v);
    mark(node.firstChild, "aria-label", name);
    mark(area, "d", path(finite, most, true));
    mark(stroke, "d", path(finite, most, false));
}
