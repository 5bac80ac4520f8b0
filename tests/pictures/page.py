#!/usr/bin/python3
"""Photographs the page of the admin listener: conf/pictures/page-*.png without arguments.

    page.py TRAINGUARD [FOLDER [SECONDS]]

A gateway before the stand-in endpoint serves a trickle of requests for so many seconds (150) first."""

import os
import pathlib
import sys
import tempfile
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "tests/endpoint")]
os.environ.setdefault("TRAINGUARD", sys.argv[1])

# pylint: disable=wrong-import-position
import certs  # noqa: E402
import trickle  # noqa: E402
from browser import Browser  # noqa: E402
from endpoint import Endpoint  # noqa: E402
from gateway import GUARDED, Gateway, config  # noqa: E402
from listener import server_context  # noqa: E402

# Width, height, dark, language, what is clicked at first.
PICTURES = {
    "page-light": (1280, 820, False, "en", "#list [data-decision=deny]"),
    "page-dark": (1280, 820, True, "en", "#list [data-decision=changed]"),
    "page-narrow": (360, 780, False, "zh", None),
}
MORE = {
    "360-light": (360, 780, False, "en", None),
    "360-dark-record": (360, 780, True, "zh", "#list [data-decision=invalid]"),
    "1280-light": (1280, 900, False, "zh", None),
    "1280-dark": (1280, 900, True, "en", "#list [data-decision=invalid]"),
    "1920-light": (1920, 1080, False, "en", None),
    "1920-dark": (1920, 1080, True, "zh", None),
}
LOCATIONS = """
    location %s {
        client_max_body_size 1m;
        filters json normalize validate policy;
        policies {rules};
        limit_req project rate=100/s burst=50;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
""" % GUARDED
RULES = (TOP / "tests/endpoint/demo.conf").read_text(encoding="utf-8")


def photograph(browser, port, folder, name, picture):
    """One picture."""
    width, height, dark, language, click = picture
    browser.resize(width, height)
    browser.dark(dark)
    browser.open(port)
    browser.click(f"[data-language={language}]")
    browser.wait(lambda: len(browser.texts("#list .event")) > 20, "a list")
    browser.wait(lambda: browser.text("#rate") not in ("–", "0"), "a rate")
    if click is not None:
        browser.click(click)
    browser.driver.save_screenshot(str(folder / f"{name}.png"))


def main(folder, seconds):
    """All of them; those that no document shows only when another folder is named."""
    pictures = PICTURES if folder == TOP / "conf/pictures" else PICTURES | MORE
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        context = server_context(certs.make(place) / "server.pem")
        (place / "rules.conf").write_text(RULES, encoding="utf-8")
        with Endpoint(context) as behind:
            text = config(place / "gateway", f"localhost:{behind.port}", tls=place / "ca.pem",
                          main="admin {\n listen 127.0.0.1:0;\n}",
                          locations=LOCATIONS.replace("{rules}", str(place / "rules.conf")))
            with Gateway(place / "gateway", text) as guard:
                url = f"http://127.0.0.1:{guard.ports[1]}/"
                trickle.run(url, 12, seconds)
                threading.Thread(target=trickle.run, args=(url, 12), daemon=True).start()
                browser = Browser()
                for name, picture in pictures.items():
                    photograph(browser, guard.ports[0], folder, name, picture)
                browser.close()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else TOP / "conf/pictures",
         float(sys.argv[3]) if len(sys.argv) > 3 else 150)
