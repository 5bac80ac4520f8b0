"""The proxies that are compared, and the upstream: configuration, start, end."""

import http.client
import pathlib
import subprocess
import sys

import machine

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests" / "endpoint"))
import certs  # noqa: E402  pylint: disable=wrong-import-position,import-error

PROJECT = "6b37a5f1c2d94e0f8a7b6c5d4e3f2a1b"
PUT_PATH = f"/v1/{PROJECT}/training-job-configs/config1"
EXAMPLE = TOP / "tests" / "data" / "bodies" / "01_seed_put_example.json"
MODULES = "/usr/lib/nginx/modules"
LUA = ("ndk_http_module", "ngx_http_lua_module")

NGINX = """
{modules}
user root;
worker_processes {workers};
worker_rlimit_nofile 16384;
daemon off;
error_log {dir}/error.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 64m;
    client_body_buffer_size 16m;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    {http}
}}
"""
NGINX_UPSTREAM = """
    default_type application/json;
    ssl_certificate {certs}/server.pem;
    ssl_certificate_key {certs}/server.key;
    ssl_session_cache shared:s:10m;
    server {{
        listen 127.0.0.1:{tls} ssl backlog=4096;
        listen 127.0.0.1:{plain} backlog=4096;
        location /large/ {{ root {dir}; }}
        location / {{ return 200 '{{"is_success": true}}'; }}
    }}
    server {{
        # Answers when it has read the body, as an endpoint that stores it does; the others answer at
        # once, which is the same only for a body that came with the head.
        listen 127.0.0.1:{reader} ssl backlog=4096;
        lua_socket_buffer_size 64k;
        client_max_body_size 0;
        location /sink {{ content_by_lua_block {{
            local left, socket = tonumber(ngx.var.content_length), ngx.req.socket()
            while left > 0 do
                local n = math.min(left, 65536)
                assert(socket:receive(n))
                left = left - n
            end
            ngx.header.content_length = 20
            ngx.print('{{"is_success": true}}')
        }} }}
        location / {{ content_by_lua_block {{
            ngx.req.read_body()
            ngx.header.content_length = 20
            ngx.print('{{"is_success": true}}')
        }} }}
    }}
    server {{
        listen 127.0.0.1:{full} ssl backlog=4096;
        ssl_session_cache off;
        ssl_session_tickets off;
        location / {{ return 200 '{{"is_success": true}}'; }}
    }}
"""
NGINX_PROXY = """
    log_format json escape=json '{{"time":"$time_iso8601","request_id":"$request_id",'
        '"client":"$remote_addr","method":"$request_method","path":"$uri","status":$status,'
        '"bytes_in":$request_length,"bytes_out":$bytes_sent,"duration":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
        '"upstream_duration":"$upstream_response_time","agent":"$http_user_agent"}}';
    {log}
    upstream modelarts {{
        server 127.0.0.1:{upstream};
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;  # nginx 1.22 leaves 1.3 out unless it is named
        proxy_ssl_server_name on;
        proxy_ssl_name localhost;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate {certs}/ca.pem;
        {locations}
    }}
"""
NGINX_KEEPALIVE = "keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h;"
HAPROXY = """
global
    nbthread 1
    # it wants two descriptors for each connection; idle ones have one
    no strict-limits
    maxconn {connections}
    tune.ssl.default-dh-param 2048
defaults
    mode {mode}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend f
    bind 127.0.0.1:{port} backlog 4096
    default_backend b
backend b
    server s 127.0.0.1:{upstream} ssl verify required ca-file {certs}/ca.pem sni str(localhost) \
verifyhost localhost pool-max-conn 1024
"""
TRAINGUARD = """
worker_processes {workers};
worker_connections {connections};
error_log {dir}/error.log warn;
audit_log {audit};
{main}
upstream modelarts {{
    server localhost:{upstream};
    tls_ca {certs}/ca.pem;
    keepalive {keepalive};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
}}
server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
        client_max_body_size 12m;
        {filters}
        proxy_pass modelarts;
    }}
    location / {{ proxy_pass modelarts; }}
}}
"""
CONNECTIONS = 8192
CHAIN = ("json", "normalize", "validate", "policy")


class Server:
    """A process that was started here, by its configuration file."""

    def __init__(self, directory, name, cores, port):
        self.name, self.cores, self.port = name, cores, port
        self.dir = pathlib.Path(directory) / name
        self.dir.mkdir(parents=True)
        self.process = None

    def write(self, file, text):
        """One file in the server's folder."""
        (self.dir / file).write_text(text)
        return self.dir / file

    def start(self, *command):
        """Starts it on its cores and waits for its port."""
        with open(self.dir / "stderr", "wb") as err:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                cwd=self.dir, preexec_fn=machine.pinned(*self.cores))
        try:
            machine.wait_port(self.process, self.port)
        except RuntimeError as e:
            self.stop()
            raise RuntimeError(f"{e}: {(self.dir / 'stderr').read_text()[-2000:]}") from None
        return self

    def pids(self):
        """Its processes."""
        return machine.family(self.process.pid)

    def workers(self):
        """Its processes without a master."""
        pids = self.pids()
        return pids[1:] or pids

    def forget_logs(self):
        """Empties what it has logged, so that long runs do not fill the disk."""
        for file in self.dir.glob("*.log"):
            with open(file, "r+b") as f:
                f.truncate(0)

    def probe(self, method="PUT", path=PUT_PATH, body=None):
        """Sends one request; what comes back must be the upstream's answer."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request(method, path, body if body is not None else EXAMPLE.read_bytes(),
                  {"Content-Type": "application/json", "X-Auth-Token": "t"})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answers {answer.status}: {text[:500]!r}")

    def stop(self):
        """Ends it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Bench:
    """One throw-away folder with certificates, one upstream, and proxies in front of it."""

    def __init__(self, directory, binary):
        self.dir = pathlib.Path(directory)
        self.binary = binary
        self.certs = certs.make(self.dir / "certs", ["server"])
        self.servers = []
        self.counter = 0
        self.policies = self.dir / "policies"
        self.policies.mkdir()
        self.upstream = self.start_upstream()
        self.chain = self.known_filters()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.stop()

    def drop(self, server):
        """Ends one server."""
        server.stop()
        self.servers.remove(server)

    def add(self, name, *cores):
        """A server that will be ended with the bench."""
        self.counter += 1
        server = Server(self.dir / str(self.counter), name, cores or (machine.PROXY_CORE,),
                        machine.free_port())
        self.servers.append(server)
        return server

    # --- upstream ---

    def start_upstream(self):
        """nginx with TLS; also a port without TLS, one that never resumes sessions, and one that
        reads bodies to their end."""
        server = self.add("upstream", machine.LOAD_CORE)
        server.tls, server.full, server.reader = (machine.free_port() for _ in range(3))
        http_part = NGINX_UPSTREAM.format(
            certs=self.certs, tls=server.tls, full=server.full, reader=server.reader,
            plain=server.port, dir=server.dir)
        return self.run_nginx(server, http_part, LUA)

    @staticmethod
    def run_nginx(server, http_part, modules=(), *, workers=1, connections=CONNECTIONS):
        """Starts nginx with this http block."""
        lines = "\n".join(f"load_module {MODULES}/{m}.so;" for m in modules)
        conf = server.write("nginx.conf", NGINX.format(
            modules=lines, dir=server.dir, http=http_part, workers=workers, connections=connections))
        return server.start("/usr/sbin/nginx", "-p", server.dir, "-e", server.dir / "start.log",
                            "-c", conf)

    # --- proxies ---

    def nginx(self, name="nginx", *, log=False, locations="location / { proxy_pass https://modelarts; }",
              modules=(), extra="", keepalive=True, upstream=None, cores=(), **size):
        """nginx as a reverse proxy."""
        server = self.add(name, *cores)
        log = f"access_log {server.dir}/access.log json;" if log else ""
        http_part = extra + NGINX_PROXY.format(
            log=log, upstream=upstream or self.upstream.tls, port=server.port, certs=self.certs,
            locations=locations, keepalive=NGINX_KEEPALIVE if keepalive else "")
        return self.run_nginx(server, http_part, modules, **size)

    def nginx_log(self):
        """nginx that writes a JSON access log."""
        return self.nginx("nginx+log", log=True)

    def nginx_lua(self):
        """nginx that does the gateway's job in Lua."""
        location = ("location / { proxy_pass https://modelarts; access_by_lua_file %s; }"
                    % (HERE / "peers.lua"))
        return self.nginx("nginx+lua", log=True, locations=location,
                          modules=LUA)

    def nginx_njs(self):
        """nginx that does the gateway's job in JavaScript."""
        locations = ("location / { js_content peers.handle; }"
                     "location /upstream/ { internal; proxy_pass https://modelarts/; }")
        return self.nginx("nginx+njs", log=True, locations=locations,
                          modules=("ngx_http_js_module",),
                          extra=f"js_path {HERE}; js_import peers from peers.js;"
                                "subrequest_output_buffer_size 64k;")

    def haproxy(self, mode="http", upstream=None, connections=CONNECTIONS):
        """HAProxy: as HTTP proxy, or as a relay of bytes that looks at nothing (mode tcp)."""
        server = self.add("haproxy" if mode == "http" else "relay")
        conf = server.write("haproxy.cfg", HAPROXY.format(
            mode=mode, port=server.port, connections=connections,
            upstream=upstream or self.upstream.tls, certs=self.certs))
        return server.start("haproxy", "-db", "-f", conf)

    def relay(self):
        """HAProxy without HTTP."""
        return self.haproxy("tcp")

    # --- trainguard ---

    def known_filters(self):
        """The longest part of the chain that this build has, in order."""
        for n in range(len(CHAIN), 0, -1):
            try:
                server = self.trainguard("probe", rules=1, chain=CHAIN[:n])
            except RuntimeError as e:
                if "filter" not in str(e) and "polic" not in str(e):
                    raise
                self.drop(self.servers[-1])
                continue
            self.drop(server)
            return CHAIN[:n]
        return ()

    def rules(self, number):
        """A policy file with this many rules that the example passes."""
        file = self.policies / f"{number}.conf"
        tests = ("at worker_server_num; max 4;", "at spec_id; in 1 2 4 7;",
                 "at app_url; prefix /usr/ /ml-shared/;", "at log_url; required; prefix /usr/;",
                 "at user_command; absent;", 'at parameter[*].label; not_matches "(?i)(secret|pass)";',
                 "at parameter[label=learning_rate].value; min 0; max 1;",
                 'at config_desc; required; matches "^This ";', "at engine_id; in 1 2 3;",
                 "at config_desc; max_length 200;")
        rules = "\n".join(f"    rule r{i} {{ {tests[i % len(tests)]} }}" for i in range(number))
        file.write_text(f"policy bench {{\n    mode deny;\n{rules}\n}}\n")
        return file

    def trainguard(self, name="trainguard", *, rules=20, chain=None, audit="blocking",
                   keepalive=1024, upstream=None, cores=(), workers=1, connections=CONNECTIONS,
                   main=""):
        """The gateway with the whole chain, or with the filters of `chain`."""
        chain = self.chain if chain is None else chain
        # The limit is for bodies of 8 MB; every real one is below 10 KB.
        filters = f"filters {' '.join(chain)}; json_max_tokens 1000000;" if chain else ""
        if "policy" in chain:
            filters += f"\n        policies {self.rules(rules)};"
        server = self.add(name, *cores)
        # Rotated early: a long run would fill the disk, and in a virtual machine each page that is
        # touched for the first time costs a fault of the host (2.3 µs per record, measured).
        log = "off" if audit == "off" else f"{server.dir}/audit.jsonl mode={audit} rotate=16m keep=1"
        conf = server.write("trainguard.conf", TRAINGUARD.format(
            dir=server.dir, audit=log, upstream=upstream or self.upstream.tls, certs=self.certs,
            keepalive=keepalive, port=server.port, filters=filters, workers=workers,
            connections=connections, main=main))
        return server.start(self.binary, "-p", f"{server.dir}/", "-c", conf)
