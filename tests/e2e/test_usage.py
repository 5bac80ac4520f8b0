"""Wrong command lines: one line says what is wrong, one where to read on; the exit code is 2."""

import pytest

from command import run

WRONG = [
    (["-x"], 'unknown option "-x"', ""),
    (["--bogus"], 'unknown option "--bogus"', ""),
    (["-c"], 'option "-c" needs a value', ""),
    (["evl", "x.json"], 'unknown command "evl", did you mean "eval"?', ""),
    (["start"], 'unknown command "start"', ""),
    (["help", "evl"], 'unknown command "evl", did you mean "eval"?', ""),
    (["eval"], "no BODY given", "eval"),
    (["eval", "--bogus", "x"], 'unknown option "--bogus"', "eval"),
    (["eval", "--output", "yaml", "x"], "--output takes text, json, github, sarif or junit", "eval"),
    (["eval", "--location", "POST", "x"], '--location takes "METHOD /PATH"', "eval"),
    (["eval", "--location", "/x", "x"], '--location takes "METHOD /PATH"', "eval"),
    (["fmt"], "no BODY given", "fmt"),
    (["fmt", "--check", "--patch", "x"], "exclude each other", "fmt"),
    (["explain", "--all"], "it has no options", "explain"),
    (["test"], "give one FOLDER", "test"),
    (["test", "--output", "xml", "x"], "--output takes text or junit", "test"),
    (["replay", "x"], "no --policy given", "replay"),
    (["replay", "--policy", "x"], "no AUDIT file given", "replay"),
    (["audit"], "give verify, show, summary, columns or history", "audit"),
    (["audit", "shwo"], 'verify, show, summary, columns or history, not "shwo"', "audit"),
]


@pytest.mark.parametrize("args, why, command", WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_usage(args, why, command):
    """What is wrong does not scroll away."""
    done = run(*args)
    told = done.err.splitlines()
    assert done.code == 2 and done.out == "" and len(told) == 2, done.err
    assert why in told[0]
    assert told[1] == f"`trainguard {command} --help` tells how it is used".replace("  ", " ")


def test_help_is_a_word_too():
    """`help` is what everybody types."""
    assert run("help").out == run("--help").out
    for command in ("audit", "eval", "explain", "fmt", "key", "replay", "sign", "test"):
        assert run("help", command).out == run(command, "--help").out != ""


def test_version_has_a_long_name():
    """--version, as everybody tries."""
    assert run("--version").out == run("-v").out


def test_a_start_speaks_of_no_test(tmp_path):
    """Only -t says that a test failed."""
    conf = tmp_path / "x.conf"
    conf.write_text("bogus;")
    for args, lines in ((["-t"], 2), ([], 1)):
        done = run(*args, "-c", conf)
        assert (done.code, len(done.err.splitlines())) == (1, lines)
        assert f'unknown directive "bogus" in {conf}:1' in done.err


def test_a_folder_that_is_not_there(tmp_path):
    """`test` says why it finds nothing."""
    done = run("test", tmp_path / "nowhere")
    assert done.code == 2 and done.err.rstrip().endswith("No such file or directory")


def test_a_semicolon_that_is_missing_on_one_line(tmp_path):
    """The next directive's name among the arguments gives the place away."""
    policy = tmp_path / "p.conf"
    policy.write_text('policy p { rule r { at spec_id; max 8 message "8"; } }')
    done = run("eval", "--policy", policy, "-", data=b"{}")
    assert done.code == 2 and f'";" is missing behind "8" in {policy}:1' in done.err
