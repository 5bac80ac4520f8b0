#!/usr/bin/python3
"""Writes gateway/base/utf8_folds.h: what lenient readers make of characters outside ASCII.

Compatibility and canonical decomposition (UAX 15), full case folding, marks dropped: whatever then is
ASCII. What would be longer than the character's own UTF-8 is left out, so that texts shrink.
"""

import pathlib
import unicodedata

OUT = pathlib.Path(__file__).resolve().parents[1] / "gateway/base/utf8_folds.h"
# vendors' best fits, and letters that case folding leaves alone
FITS = {0x130: "i", 0x131: "i", 0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-",
        0x2015: "-", 0x203f: "_", 0x2040: "_", 0x2054: "_", 0x2212: "-", 0x2215: "/", 0x2216: "/",
        0x29f5: "/", 0x2044: "/", 0xd8: "o", 0xf8: "o", 0x110: "d", 0x111: "d", 0x141: "l", 0x142: "l",
        0x166: "t", 0x167: "t", 0x126: "h", 0x127: "h"}


def folded(code):
    """What becomes of a character."""
    text = unicodedata.normalize("NFKD", chr(code))
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("\u2044", "/")
    return FITS.get(code, text)


def ranges():
    """(first, last, text, step): the text's one character grows by `step` with each of a range."""
    rows = []
    for code in range(0x80, 0x110000):
        text = "" if 0xd800 <= code < 0xe000 else folded(code)
        if not text.strip() or not text.isascii() or len(text) > len(chr(code).encode()):
            continue
        if rows and rows[-1][1] == code - 1 and len(text) == len(rows[-1][2]) == 1:
            first, _, to, step = rows[-1]
            grown = ord(text) - ord(to)
            if step is None and grown in (0, 1) or step is not None and grown == step * (code - first):
                rows[-1] = (first, code, to, grown if step is None else step)
                continue
        rows.append((code, code, text, None))
    return [(first, last, text, step or 0) for first, last, text, step in rows]


def main():
    """The table, as many rows to a line as fit."""
    lines, line = [], "   "
    for first, last, text, step in ranges():
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        row = f' {{0x{first:x}, 0x{last:x}, "{text}", {step}}},'
        if len(line + row) > 100:
            lines.append(line)
            line = "   "
        line += row
    OUT.write_text(
        "/* What lenient readers make of characters outside ASCII: made by tests/unicode.py from Unicode\n"
        f" * {unicodedata.unidata_version}, for utf8.c alone. */\n"
        "#ifndef TG_BASE_UTF8_FOLDS_H\n#define TG_BASE_UTF8_FOLDS_H\n\n#include <stdint.h>\n\n"
        "/* Ranges in order. A text of one character grows by `step` with each character of its range. */\n"
        "/* clang-format off */\n"
        "static const struct {\n    uint32_t first, last;\n    char text[5];\n    uint8_t step;\n"
        "} tg_utf8_folds[] = {\n" + "\n".join([*lines, line]) + "\n};\n/* clang-format on */\n\n#endif\n",
        encoding="ascii")


if __name__ == "__main__":
    main()
