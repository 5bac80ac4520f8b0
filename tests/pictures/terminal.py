#!/usr/bin/python3
"""Draws what a command prints on a terminal as an SVG: conf/pictures/eval.svg without arguments.

    terminal.py [--check] TRAINGUARD [PICTURE]

With --check nothing is written; the exit code is 1 when the picture is not what it would be."""

import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import unicodedata
from xml.sax.saxutils import escape

TOP = pathlib.Path(__file__).resolve().parents[2]
PICTURE = TOP / "conf/pictures/eval.svg"
REFUSED = """{
  "worker_server_num": "4",
  "spec_id": 2,
  "app_url": "obs://vision/train/",
  "boot_file_url": "/vision/eval/boot.py",
  "data_url": "/vision/cats//2024/",
  "parameter": [
    { "key": "learning_rate", "value": 0.01 },
    { "label": "图像增强", "value": true }
  ]
}
"""
COMMANDS = [["eval", "cats.json"]]
CELL, LINE, MARGIN, BAR = 8.43, 19, 16, 30
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60", "34": "#79c0ff"}
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def on_terminal(program, args, folder):
    """The output of a command that sees a terminal."""
    master, slave = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    with subprocess.Popen([program, *args], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          stdout=slave, stderr=slave) as process:
        os.close(slave)
        data = b""
        try:
            while part := os.read(master, 65536):
                data += part
        except OSError:  # Linux: EIO when the last writer has gone
            pass
        process.wait(30)
    os.close(master)
    return data.decode().replace("\r\n", "\n")


def width(text):
    """How many cells a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF"
               else 1 for c in text)


def spans(line):
    """The pieces of a line as (column, text, attributes). A wide character is one by itself, so
    that it starts where it should whatever font draws it."""
    column, style = 0, ""
    for i, part in enumerate(SGR.split(line)):
        if i % 2:
            codes = part.split(";")
            colour = next((f' fill="{COLOURS[c]}"' for c in codes if c in COLOURS), "")
            style = colour + (' font-weight="bold"' if "1" in codes else "")
            continue
        for piece in re.findall(r"[\u2e80-\uffdc]|[^\u2e80-\uffdc]+", part):
            yield column, piece, style
            column += width(piece)


def draw(text):
    """The SVG."""
    lines = text.rstrip("\n").split("\n")
    columns = max(width(SGR.sub("", line)) for line in lines)
    size = (round(2 * MARGIN + columns * CELL), BAR + 2 * MARGIN + len(lines) * LINE)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
           'role="img" aria-label="trainguard eval on a refused body">' % (*size, *size),
           '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>']
    for i, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{MARGIN + 6 + 20 * i}" cy="18" r="6" fill="{colour}"/>')
    out.append('<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" '
               'font-size="14" fill="#e6edf3" xml:space="preserve">')
    for i, line in enumerate(lines):
        y = BAR + MARGIN + i * LINE + 10
        for column, piece, style in spans(line):
            if piece.strip():
                out.append(f'<text x="{MARGIN + column * CELL:.1f}" y="{y}" '
                           f'textLength="{width(piece) * CELL:.1f}"{style}>{escape(piece)}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def main(args):
    """See above."""
    check = "--check" in args
    program, *rest = [a for a in args if a != "--check"]
    picture = pathlib.Path(rest[0]) if rest else PICTURE
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "cats.json").write_text(REFUSED, encoding="utf-8")
        shown = "".join(f"\x1b[32m$\x1b[0m trainguard {' '.join(command)}\n"
                        + on_terminal(os.path.abspath(program), command, folder)
                        for command in COMMANDS)
    svg = draw(shown)
    if not check:
        picture.write_text(svg, encoding="utf-8")
        return 0
    return 0 if picture.read_text(encoding="utf-8") == svg else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
