// Elements made and changed in place. Text from outside is only ever set as text.
import { shown } from "./format.js";

const svg = "http://www.w3.org/2000/svg";
const drawn = new Set(["svg", "path", "line", "rect"]);

// An element. Attributes that are false, null or undefined are left out; `on...` are listeners.
export function el(name, attributes = {}, ...children) {
    const node = drawn.has(name) ? document.createElementNS(svg, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function")
            node.addEventListener(key.slice(2), value);
        else if (value !== false && value !== null && value !== undefined)
            node.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat())
        if (child !== null && child !== undefined)
            node.append(child.nodeType ? child : shown(child));
    return node;
}

// Sets a node's text when it is another one.
export function say(node, text) {
    const words = shown(text);
    if (node.textContent !== words)
        node.textContent = words;
    return node;
}

// Sets or takes an attribute away when that changes something.
export function mark(node, name, value) {
    if (value === false || value === null || value === undefined)
        node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value))
        node.setAttribute(name, value);
}

// Makes the children of `parent` those of `items`, in order: the node of a key stays the same.
// `make(item)` returns a node, `update(node, item)` brings it up to date.
export function keyed(parent, items, key, make, update = () => {}) {
    const before = parent.nodesByKey ?? new Map();
    const after = new Map();
    for (const item of items)
        if (!after.has(key(item)))
            after.set(key(item), before.get(key(item)) ?? make(item));
    for (const [k, node] of before)
        if (!after.has(k))
            node.remove();
    let at = parent.firstChild;
    for (const node of after.values()) {
        if (node === at)
            at = at.nextSibling;
        else
            parent.insertBefore(node, at);
    }
    parent.nodesByKey = after;
    const updated = new Set();
    for (const item of items)
        if (!updated.has(key(item)) && updated.add(key(item)))
            update(after.get(key(item)), item);
}

// Rows of a description list: [name, text or node, {state, title, mono}].
export function facts(list, rows) {
    const make = ([name]) => el("div", {}, el("dt", {}, name), el("dd"));
    keyed(list, rows.filter((row) => row !== null), ([name]) => name, make, (node, [, value, more = {}]) => {
        const dd = node.lastChild;
        if (value?.nodeType) {
            if (dd.firstChild !== value || dd.childNodes.length !== 1)
                dd.replaceChildren(value);
        } else {
            say(dd, value);
        }
        mark(dd, "data-state", more.state);
        mark(dd, "title", more.title === undefined ? null : shown(more.title));
        mark(dd, "class", more.mono ? "mono" : null);
    });
}

// Where something of the gateway is. Without the name and password a browser may have been given in
// the page's own address: it would refuse to ask there.
export const place = (path) => new URL(path, location.origin + location.pathname).href;

// A text to copy: a click selects it and, where the browser allows it, copies it.
export function copyable(text, short = text) {
    const node = el("button", { type: "button", class: "copy mono", title: shown(text), dir: "auto" }, short);
    node.addEventListener("click", () => {
        getSelection().selectAllChildren(node);
        navigator.clipboard?.writeText(String(text)).then(() => {
            node.dataset.copied = "";
            setTimeout(() => delete node.dataset.copied, 1200);
        }, () => {});
    });
    return node;
}
