"""What a scenario returns."""


class Table:
    """Rows for readers, samples for machines."""

    def __init__(self, title, columns):
        self.title, self.columns, self.rows = title, columns, []
        self.samples, self.notes = {}, []

    def row(self, *cells):
        """Adds one row."""
        self.rows.append([str(c) for c in cells])

    def markdown(self):
        """The table as Markdown, its columns lined up."""
        rows = [self.columns, *self.rows]
        widths = [max(len(r[i]) for r in rows) for i in range(len(self.columns))]

        def line(cells):
            return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"

        rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
        lines = [line(self.columns), rule, *map(line, self.rows), ""] if self.rows else []
        return "\n".join(lines + [f"{n}\n" for n in self.notes])
