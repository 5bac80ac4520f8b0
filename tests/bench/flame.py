"""A flame graph as SVG: width is time, the outermost callers at the bottom, colour by library."""

WIDTH, ROW, TOP = 1400, 17, 60
LEAST = 0.0015  # frames narrower than this share are left out
COLOURS = {"kernel": "#cbd5e1", "libc": "#fde68a", "libcrypto": "#a7f3d0", "libssl": "#86efac",
           "libevent": "#fbcfe8", "libevhtp": "#f9a8d4", "libpcre2-8": "#ddd6fe", "?": "#f1f5f9"}
OURS = "#93c5fd"


class Frame:
    """One function below its callers."""

    def __init__(self):
        self.count, self.below = 0, {}


def merge(counts):
    """Stacks to a tree, without the frames before main()."""
    root = Frame()
    for stack, n in counts.items():
        root.count += n
        at = root
        names = [function for _, function in stack]
        for key in stack[names.index("main") if "main" in names else 0:]:
            at = at.below.setdefault(key, Frame())
            at.count += n
    return root


def escape(text):
    """For SVG."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def depth(frame, least):
    """Rows that the tree needs."""
    return 1 + max((depth(f, least) for f in frame.below.values() if f.count >= least), default=0)


def rectangles(frame, x, row, scale, height, least, out):
    """Draws the frames above one, in the order of their names."""
    for (library, function), one in sorted(frame.below.items()):
        if one.count < least:
            x += one.count * scale
            continue
        width, y = one.count * scale, height - (row + 1) * ROW - 8
        words = function if len(function) * 6.2 < width - 4 else function[:int((width - 4) / 6.2)]
        out.append(
            f'<g><title>{escape(function)} ({library}), '
            f'{100 * one.count * scale / (WIDTH - 20):.1f} %</title>'
            f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" '
            f'fill="{COLOURS.get(library, OURS)}"/>'
            + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(words)}</text>'
               if len(words) > 2 else "") + "</g>")
        rectangles(one, x, row + 1, scale, height, least, out)
        x += width


def draw(counts, title):
    """The picture of a Counter of stacks."""
    root = merge(counts)
    least = max(root.count * LEAST, 1)
    height = TOP + ROW * depth(root, least)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           'font-family="monospace" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>']
    x = 10
    for library in list(dict.fromkeys(s[-1][0] for s, _ in counts.most_common()))[:9]:
        out.append(f'<rect x="{x}" y="32" width="12" height="12" '
                   f'fill="{COLOURS.get(library, OURS)}"/>'
                   f'<text x="{x + 16}" y="42">{escape(library)}</text>')
        x += 32 + 7 * len(library)
    rectangles(root, 10, 0, (WIDTH - 20) / max(root.count, 1), height, least, out)
    return "\n".join(out + ["</svg>", ""])
