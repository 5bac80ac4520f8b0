"""Debian's ClickHouse (18.16) in a folder of its own, on a port the kernel chose: for tests and
`./dev fleet`."""

import http.client
import os
import pathlib
import re
import select
import shutil
import subprocess
import urllib.parse

CONFIG = """<?xml version="1.0"?>
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <listen_host>127.0.0.1</listen_host>
    <http_port>0</http_port>
    <path>{folder}/data/</path>
    <tmp_path>{folder}/tmp/</tmp_path>
    <users_config>{folder}/users.xml</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <mark_cache_size>67108864</mark_cache_size>
</yandex>
"""
USERS = """<?xml version="1.0"?>
<yandex>
    <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
    <users><default>
        <password></password><networks><ip>127.0.0.1</ip></networks>
        <profile>default</profile><quota>default</quota>
    </default></users>
    <quotas><default></default></quotas>
</yandex>
"""
LISTEN = "0A"


def listening(pid):
    """The port on which a process listens; None: on none yet."""
    sockets = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        sockets |= set(re.findall(r"^socket:\[(\d+)\]$", link))
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        for row in (line.split() for line in table):
            if row[3] == LISTEN and row[9] in sockets:
                return int(row[1].split(":")[1], 16)
    return None


def statements(text):
    """The statements of a file of SQL, without comments."""
    text = re.sub(r"^--.*\n", "", text, flags=re.M)
    return [one.strip() for one in text.split(";\n") if one.strip()]


class ClickHouse:
    """A server, ended by close()."""

    def __init__(self, folder):
        program = shutil.which("clickhouse-server", path="/usr/sbin:/usr/bin")
        assert program, "no clickhouse-server here: ./dev setup"
        folder = pathlib.Path(folder)
        for name in ("data", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "config.xml").write_text(CONFIG.format(folder=folder))
        (folder / "users.xml").write_text(USERS)
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen([program, f"--config-file={folder}/config.xml"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.port = None
        while self.port is None:
            assert self.process.poll() is None, (folder / "log").read_text()
            select.select([], [], [], 0.02)
            self.port = listening(self.process.pid)

    def query(self, text, data=None, out=None):
        """Runs a statement. `data` is what INSERT takes, a file or bytes; with `out` the answer goes
        into that file."""
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        body, path = text.encode(), "/"
        if data is not None:
            body, path = data, "/?" + urllib.parse.urlencode({"query": text})
        link.request("POST", path, body, encode_chunked=hasattr(body, "read"))
        answer = link.getresponse()
        if out is not None and answer.status == 200:
            shutil.copyfileobj(answer, out, 1 << 20)
            text = ""
        else:
            text = answer.read().decode()
        link.close()
        assert answer.status == 200, text
        return text

    def close(self):
        """Ends it; what it kept is nobody's."""
        self.process.kill()
        self.process.wait()
