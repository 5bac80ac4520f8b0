"""Results as text, JSON, Markdown and a picture."""


def text(name, table):
    """A table in the form of Markdown, its columns lined up."""
    rows = [table.columns, *table.rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(table.columns))]

    def line(cells):
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"

    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    out = [f"### {name}: {table.title}", "", line(table.columns), rule, *map(line, table.rows), ""]
    return "\n".join(out + [f"{n}\n" for n in table.notes])
