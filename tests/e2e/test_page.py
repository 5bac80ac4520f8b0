"""The page in a real browser: what it shows is what happened, text stays text, hands may stay on the
keyboard, and the feed goes on whatever becomes of the processes behind it."""

import json
import os
import re
import signal

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from browser import Browser, Keys
from client import Client, ask, request
from gateway import GUARDED, TIMEOUT
from test_admin import series, start_admin  # pylint: disable=unused-import # a fixture
from test_seed import SEED, put

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
RULES = """
policy vision {
    description "%s";
    rule workers { at worker_server_num; max 4; message "%s has 4 workers"; }
    rule image   { at user_image_url; prefix swr.example/; mode dryrun; }
    rule told    { at config_desc; required; mode warn; message "say what it is for"; }
}
exception EXC-1 { policy vision; rule workers; match config_name big; owner "Li Wei"; ticket ML-1; expires 2099-01-31; }
""" % (HOSTILE, HOSTILE)
GOOD = {name: value for name, value in json.loads(SEED).items() if name != "parameter"}


@pytest.fixture(name="window", scope="module")
def start_window():
    """One browser for all tests: a gateway has a port, and so an origin, of its own."""
    one = Browser()
    yield one
    one.close()


@pytest.fixture(name="page")
def fresh_page(window):
    """The browser as it began."""
    window.driver.get("about:blank")
    window.resize(1280, 1000)
    window.dark(False)
    window.console()
    return window


@pytest.fixture(name="guard")
def start_guard(admin, tmp_path):
    """A gateway with policies."""
    (tmp_path / "rules.conf").write_text(RULES)
    return lambda **more: admin(locations=f"""
        location {GUARDED} {{
            filters json normalize validate policy; policies {tmp_path}/rules.conf; proxy_pass modelarts;
            limit_req project rate=1000/s burst=100000;
            limit_req project rate=1/m burst=100000 name=slow;
        }}
        location / {{ proxy_pass modelarts; }}""", **more)


def send(one, body, name="config1"):
    """A PUT; the status of its answer."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(one.guard.port, put(text, name=name), "PUT").status


def story(one):
    """Requests of every kind."""
    assert send(one, GOOD) == 200
    assert send(one, SEED) == 200
    assert send(one, {k: v for k, v in GOOD.items() if k != "config_desc"}) == 200  # warned of
    assert send(one, GOOD | {"worker_server_num": 9}) == 403
    assert send(one, GOOD | {"worker_server_num": 8}, "big") == 200  # excepted
    assert send(one, GOOD | {"user_image_url": "docker.io/x", "user_command": "ls"}) == 200  # dry run
    assert send(one, b"{") == 400
    assert ask(one.guard.port, request("GET", "/v1/p/training-job-configs")).status == 200


def figures(page):
    """The decisions' totals as the page shows them."""
    return {name: int(total.replace(",", "")) for name, total in page.run("""
        return [...document.querySelectorAll("#decisions tbody tr")].map((r) => [r.dataset.name, r.cells[1].textContent])""")}


def counted(one):
    """The same from /metrics."""
    text = one.get("/metrics").body.decode()
    totals = dict.fromkeys(["allow", "warn", "deny", "invalid", "error"], 0)
    for labels, n in series(text, "http_requests_total").items():
        totals[re.search('decision="([a-z]+)"', labels)[1]] += n
    changed = series(text, "http_requests_changed_total")[""]
    return totals | {"allow": totals["allow"] - changed, "changed": changed}


def facts(page, selector):
    """A description list."""
    return dict(page.run("""return [...document.querySelectorAll(arguments[0] + " dt")]
        .map((dt) => [dt.textContent, dt.nextSibling.textContent])""", selector))


def quiet(page):
    """Nothing was refused, nothing went wrong."""
    assert page.reports() == []
    assert page.console() == []


def test_the_panels_show_what_happened(guard, page):
    """Counts are those of /metrics; policies, upstream and log are told."""
    one = guard()
    page.open(one.port)
    story(one)
    page.wait(lambda: figures(page) == counted(one), "the same counts")
    assert counted(one) == {"allow": 4, "changed": 1, "warn": 1, "deny": 1, "invalid": 1, "error": 0}
    page.wait(lambda: len(page.texts("#list .event")) == 8, "eight requests")
    page.wait(lambda: page.text("#rate") not in ("–", "0"), "a rate")
    rules = page.run("""return [...document.querySelectorAll("#policies .rules tbody tr")].map((r) =>
        [...r.cells].slice(0, 7).map((c) => c.textContent))""")
    assert rules == [["workers", "deny", "4", "1", "0", "0", "1"], ["image", "dry run", "0", "0", "0", "1", "0"],
                     ["told", "warn", "5", "0", "1", "0", "0"]]
    assert "owner Li Wei, ticket ML-1, until 2099-01-31" in page.text("#policies .exceptions")
    upstream, log = facts(page, "#upstream"), facts(page, "#audit")
    assert upstream["Answers"].startswith("succeeded 6 ")
    assert (log["Lost"], log["Records"]) == ("0", "8")
    assert "blocking, audit_body metadata" in log["Log"] and "%" in log["Disk left"]
    assert page.run("""const row = document.querySelector("#audit .limits tbody tr");
        return [...row.cells].slice(1, 4).map((c) => c.textContent)""") == ["limit_req project", "0", "0"]
    assert log["slow · 6b37a5f1"] == "1 %"
    status = json.loads(one.get("/status").body)
    page.wait(lambda: status["workers"][0]["audit_chain"][:12] in page.text("#audit .heads"), "the chain's head")
    assert facts(page, "#gateway")["Configuration"] == status["config"]["config"]
    assert page.text("#version") == status["version"]
    assert page.run("""return [...document.querySelectorAll("main td, main tbody th")].filter((c) =>
        c.closest("table").offsetParent && getComputedStyle(c).display !== "table-cell").map((c) => c.className)""") == []
    phases = page.texts("#phases td.p99")
    assert phases[0].endswith("s") and phases[1].endswith("s") and phases[2].endswith("s")
    quiet(page)


def test_a_rules_failures_open_its_records(guard, page):
    """From the rule to its last failures, to the record."""
    one = guard()
    page.open(one.port)
    story(one)
    page.wait(lambda: page.text("#policies .rules .link") == "workers", "a rule")
    page.click("#policies .rules .link")
    page.wait(lambda: len(page.texts("#policies .failures ol li")) == 1, "its failure")
    page.click("#policies .failures ol button")
    assert "9" in page.text("#record .findings")
    page.click("#policies .failures p button")
    page.wait(lambda: len(page.texts("#list .event")) == 2, "what the rule tells of")
    quiet(page)


def test_a_record(guard, page):
    """Why, what was changed, what the policies said, where the time went, ids to copy."""
    one = guard()
    page.open(one.port)
    story(one)
    page.wait(lambda: len(page.texts("#list .event")) == 8, "eight requests")
    page.click("#list [data-decision=changed]")
    assert page.texts("#record .diff .del .pointer") == ["/parameter/1/key", "/parameter/0/value", "/parameter/1/value"]
    assert len(page.texts("#record .diff .add")) == 3
    assert {"filters", "upstream"} <= set(page.texts("#record .waterfall th"))
    ids = facts(page, "#record")
    assert re.fullmatch("[0-9a-f]{32}", ids["request_id"]) and ids["config_name"] == "config1"
    page.click("#list [data-decision=deny]")
    assert page.text("#record .violation .pointer") == "/worker_server_num"
    assert "failed" in page.text("#record .results")
    send(one, b"{}")
    page.wait(lambda: page.text("#list .event .badge") == "invalid", "an empty body")
    page.click("#list .event")
    assert "add the member; a PUT replaces the whole config" in page.texts("#record .mend")
    page.click("#list [data-decision=warn]")
    assert "say what it is for" in page.text("#record .warning")
    page.click("#close")
    assert page.find("#record").is_displayed() is False
    quiet(page)


def test_what_looks_like_a_program_is_text(guard, page):
    """Markup, scripts, marks that turn the direction, what cannot be seen: in every place of a record."""
    one = guard()
    page.open(one.port)
    page.wait(lambda: HOSTILE in page.text("#policies"), "the description")
    agent = f"User-Agent: {HOSTILE}\t\xe2\x80\xae\xff"
    send(one, GOOD | {"worker_server_num": 9})
    bad = json.dumps({HOSTILE: HOSTILE, "config_desc": 7, "parameter": [{HOSTILE: HOSTILE}]}).encode()
    ask(one.guard.port, put(bad, agent), "PUT")
    job = json.dumps({"job_name": HOSTILE, "config": {"config_name": HOSTILE}}).encode()
    ask(one.guard.port, request("POST", f"/v1/p/x{'%3Cb%3E' * 900}", job, "Content-Type: application/json", agent), "POST")
    page.wait(lambda: len(page.texts("#list .event")) == 3, "three requests")
    for row in range(1, 4):
        page.click(f"#list li:nth-child({row}) button")
        page.wait(lambda: page.text("#record .title") != "", "a record")
        assert page.run("return document.querySelectorAll('script').length") == 1
        assert page.run("return document.querySelectorAll('img, iframe, object, [onerror]').length") == 0
        if row < 3:
            assert HOSTILE in page.text("#record-body")
    assert "⟨U+202E⟩" in page.text("#record-body") + "".join(page.texts("#record dd")) or \
        page.run("return document.body.textContent.includes('\\u202e')") is False
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    quiet(page)


def test_the_keyboard_alone(guard, page):
    """From the top to a record and back."""
    one = guard()
    page.open(one.port)
    story(one)
    page.wait(lambda: len(page.texts("#list .event")) == 8, "eight requests")
    page.keys(Keys.TAB)
    assert page.focused() == "leap"
    page.keys(Keys.ENTER)
    page.wait(lambda: page.focused() == "requests", "the requests")
    page.keys("j")
    first = page.run("return document.activeElement.parentNode.dataset.id")
    page.keys("j")
    second = page.run("return document.activeElement.parentNode.dataset.id")
    assert first != second
    page.keys("k")
    assert page.run("return document.activeElement.parentNode.dataset.id") == first
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keys(Keys.ENTER)
    page.wait(lambda: page.find("#record").is_displayed(), "the record")
    assert page.focused() == "record"
    assert "/v1/p/training-job-configs" in page.text("#record-body")
    page.keys(Keys.ESCAPE)
    assert page.find("#record").is_displayed() is False
    assert page.run("return document.activeElement.parentNode.dataset.id") == first
    quiet(page)


@pytest.fixture(name="chinese")
def start_chinese():
    """A browser whose user reads Chinese."""
    one = Browser(language="zh-CN")
    yield one
    one.close()


def test_chinese(guard, chinese):
    """As the browser asks for; another choice is remembered."""
    one, page = guard(), chinese
    page.open(one.port)
    send(one, GOOD | {"worker_server_num": 9})
    page.wait(lambda: page.texts("#list .badge") == ["拒绝"], "a refusal")
    assert page.text("#requests-title") == "请求"
    assert page.attribute("html", "lang") == "zh-CN"
    page.click("#list .event")
    assert "原因" in page.text("#record-body")
    page.click("[data-language=en]")
    assert (page.text("#requests-title"), page.texts("#list .badge")) == ("Requests", ["denied"])
    assert "Why" in page.text("#record-body")
    page.open(one.port)
    assert page.text("#requests-title") == "Requests"
    untold = page.run("""const { t } = await import("/page/words.js");
        return [...document.querySelectorAll("[data-t]")].filter((e) => e.textContent === e.dataset.t && e.dataset.t.includes("_")).length""")
    assert untold == 0
    quiet(page)


def test_filters_and_pause(guard, page):
    """By decision and by text; the list stands still under the pointer."""
    one = guard()
    page.open(one.port)
    story(one)
    page.wait(lambda: len(page.texts("#list .event")) == 8, "eight requests")
    page.click("#chips [data-decision=deny]")
    assert page.texts("#list .badge") == ["denied"]
    page.click("#chips [data-decision=deny]")
    for field, text, n in (("config", "big", 1), ("rule", "vision/told", 1), ("project", "6b37", 7), ("rule", "none", 0)):
        page.find(f"[name={field}]").send_keys(text)
        page.wait(lambda n=n: len(page.texts("#list .event")) == n, f"{n} by {field}")
        page.click("#clear")
        page.wait(lambda: len(page.texts("#list .event")) == 8, "all")
    ActionChains(page.driver).move_to_element(page.find("#list .event")).perform()
    page.wait(lambda: page.find("#release").is_displayed(), "a pause")
    send(one, b"{")
    page.wait(lambda: page.text("#release") == "Paused: 1 new", "the one that waits")
    assert len(page.texts("#list .event")) == 8
    ActionChains(page.driver).move_to_element(page.find("h1")).perform()
    page.wait(lambda: len(page.texts("#list .event")) == 9, "the ninth")
    quiet(page)


def paths(page):
    """What the list shows, oldest first."""
    return page.texts("#list .name")[::-1]


def ordinary(one, *names):
    """Requests that pass."""
    for name in names:
        assert ask(one.guard.port, request("GET", f"/{name}")).status == 200


def test_a_reload(guard, page):
    """Nothing twice, nothing lost, and the outcome is told."""
    one = guard(expect=[r"reload failed|\[emerg\]"])
    page.open(one.port)
    ordinary(one, "a", "b")
    page.wait(lambda: paths(page) == ["/a", "/b"], "two")
    assert one.unix("/reload").status == 200
    ordinary(one, "c")
    page.wait(lambda: paths(page) == ["/a", "/b", "/c"], "the third")
    page.wait(lambda: "done" in facts(page, "#gateway")["Last reload"], "the outcome")
    path = one.guard.directory / "trainguard.conf"
    path.write_text(path.read_text().replace("proxy_pass", "proxy_pas"))
    assert one.unix("/reload").status == 500
    page.wait(lambda: facts(page, "#gateway")["Last reload"] == "failed", "a failure")
    assert page.texts("#list .gap") == []


def shown(page):
    """Rows of the list, and the sum of what its gaps say."""
    return len(page.texts("#list .event")), sum(
        int(re.sub(r"\D", "", gap)) for gap in page.texts("#list .gap"))


def test_a_feed_that_breaks(guard, page):
    """What came meanwhile is shown once, and what is lost is a number. Nobody can look until all of it
    has come, since a master that stands still starts no admin process; and it is more than is kept."""
    one = guard(expect=[r"admin 64 .*killed by signal 9"])
    page.open(one.port)
    ordinary(one, "a")
    page.wait(lambda: paths(page) == ["/a"], "the first")
    master, admin = one.guard.process, int(one.guard.matches(r"admin 64 is process (\d+)")[-1][1])
    master.send_signal(signal.SIGSTOP)
    os.kill(admin, signal.SIGKILL)
    page.wait(lambda: page.attribute("#feed-state", "data-state") == "warn", "a feed that broke")
    with Client(one.guard.port) as client:
        for _ in range(60):
            client.send(put(b"{", f"User-Agent: {'a' * 7000}"))
            assert client.final("PUT").status == 400
    master.send_signal(signal.SIGCONT)
    page.wait(lambda: sum(shown(page)) == 61, "all of them")
    assert page.attribute("#feed-state", "data-state") == "good"
    rows, gap = shown(page)
    assert rows > 1 and gap > 0
    ids = page.run("return [...document.querySelectorAll('#list li[data-id]')].map((e) => e.dataset.id)")
    assert len(set(ids)) == len(ids) == rows
    ordinary(one, "b")
    page.wait(lambda: paths(page)[-1] == "/b", "the last")


def test_an_upgrade(guard, page):
    """The new program's counters start anew, and the list says where."""
    one = guard()
    page.open(one.port)
    ordinary(one, "a", "b")
    page.wait(lambda: paths(page) == ["/a", "/b"], "two")
    one.guard.process.send_signal(signal.SIGUSR2)
    page.wait(lambda: page.texts("#list .gap") == ["The gateway was started anew"], "another program")
    ordinary(one, "c")
    page.wait(lambda: paths(page)[-1] == "/c", "the third")
    page.wait(lambda: figures(page)["allow"] == 1, "counters from the start")
    assert one.guard.process.wait(TIMEOUT) == 0
    assert one.unix("/drain").status == 202


def test_many_at_once(guard, page):
    """The list is a part of them and says so; the counts are all of them."""
    one = guard()
    page.open(one.port)
    n = 3000
    for _ in range(n // 500):
        with Client(one.guard.port) as client:
            client.send(request() * 500)
            for _ in range(500):
                assert client.final().status == 200
    page.wait(lambda: figures(page)["allow"] == n, "all of them")
    page.wait(lambda: page.texts("#list .gap") != [], "those that are not shown")
    assert 0 < len(page.texts("#list .event")) <= 256
    quiet(page)


def test_sizes(guard, page):
    """Nothing goes beyond the edge, with a record open too; light and dark differ."""
    one = guard()
    story(one)
    for width, dark in ((360, False), (768, True), (1280, True), (1920, False)):
        page.resize(width, 900)
        page.dark(dark)
        page.open(one.port)
        page.wait(lambda: len(page.texts("#list .event")) >= 4, "requests")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        page.click("#list [data-decision=changed]")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        shade = page.run("return getComputedStyle(document.body).backgroundColor")
        assert shade == ("rgb(14, 19, 24)" if dark else "rgb(244, 246, 248)")
    quiet(page)


def test_nothing_yet(guard, page):
    """No request at all, and more servers than a page has room for."""
    servers = " ".join(f"server 127.0.0.{i}:9;" for i in range(1, 65))
    one = guard(main=f"upstream many {{ tls off; {servers} }}")
    page.open(one.port)
    assert "No request yet" in page.text("#empty")
    assert set(figures(page).values()) == {0}
    page.wait(lambda: page.text("#rate") == "0", "a rate of nothing")
    shown_servers = page.texts("#upstream [data-block=servers] dd")
    assert len(shown_servers) == 65 and shown_servers[64] == "1 more, not shown"
    quiet(page)


def test_a_token(origin, gateway, page, tmp_path):
    """As browsers ask for it: the page, its feed and its figures."""
    token = tmp_path / "token"
    token.write_text("a-token-of-enough-bytes")
    token.chmod(0o400)
    guard = gateway(origin(), locations="location / { proxy_pass modelarts; }",
                    main=f"admin {{\n listen 0.0.0.0:0;\n token_file {token};\n}}")
    guard.wait_log("master: trainguard")
    port = int(guard.matches(r"listening on 0\.0\.0\.0:(\d+)")[0][1])
    page.open(port, "me:a-token-of-enough-bytes@")
    assert ask(guard.port, request("GET", "/a")).status == 200
    page.wait(lambda: paths(page) == ["/a"], "a request")
    quiet(page)
