"""The documented service behind the stand-in endpoint: configurations of training jobs.

Types are checked exactly as the API's tables have them, and nothing is repaired: what a client sent
wrong is answered with 400 in the API's error shape. A PUT of a configuration that is not there
makes it, so that a demonstration needs no first POST.
"""

import json
import re
import threading
import time
import urllib.parse

import catalogue

PROJECT = r"[A-Za-z0-9_-]{1,64}"
ROUTES = (
    (re.compile(rf"/v1/({PROJECT})/training-job-configs/([A-Za-z0-9_-]{{1,64}})"), "config"),
    (re.compile(rf"/v1/({PROJECT})/training-job-configs"), "configs"),
    (re.compile(rf"/v1/({PROJECT})/training-jobs"), "jobs"),
    (re.compile(rf"/v1/({PROJECT})/(?:job/)?(resource-specs|ai-engines|built-in-algorithms)"), "list"),
    (re.compile(r"/v3/auth/tokens"), "token"),
)
INT64 = range(-(2**63), 2**63)

# The tables of the API page. Long and Integer are JSON integers; a null counts as absent.
MEMBERS = {
    "config_name": str, "config_desc": str, "worker_server_num": int, "app_url": str,
    "boot_file_url": str, "model_id": int, "parameter": list, "spec_id": int, "data_url": str,
    "dataset_id": str, "dataset_version_id": str, "data_source": list, "engine_id": int,
    "train_url": str, "log_url": str, "user_image_url": str, "user_command": str,
}
ELEMENTS = {
    "parameter": {"label": str, "value": str},
    "data_source": {"type": str, "data_url": str, "dataset_id": str, "dataset_version": str},
}
REQUIRED_ELEMENTS = {"parameter": ("label",), "data_source": ()}
NAMES = {str: "a string", int: "an integer", list: "an array"}


class Refused(Exception):
    """An answer in the API's error shape."""

    def __init__(self, status, code, text):
        super().__init__(text)
        self.status = status
        self.body = {"is_success": False, "error_code": code, "error_msg": text}


def wrong_type(value, kind):
    """True when a JSON value is not of that type; true and false are no integers."""
    if value is None:
        return False
    if kind is int:
        return type(value) is not int or value not in INT64
    return type(value) is not kind


def check_types(document, table, where):
    """Every member that the table has is of the table's type."""
    for name, kind in table.items():
        if wrong_type(document.get(name), kind):
            raise Refused(400, "ModelArts.0107", f"{where}{name} must be {NAMES[kind]}")


def check_elements(document, member):
    """The elements of `parameter` and `data_source`: objects, typed, with what is required."""
    for i, element in enumerate(document.get(member) or ()):
        where = f"{member}[{i}]."
        if type(element) is not dict:
            raise Refused(400, "ModelArts.0107", f"{member}[{i}] must be an object")
        check_types(element, ELEMENTS[member], where)
        for name in REQUIRED_ELEMENTS[member]:
            if element.get(name) is None:
                raise Refused(400, "ModelArts.0104", f"{where}{name} is required")


def unique(pairs):
    """An object without a member name twice."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member name twice")
    return dict(pairs)


def parse(body):
    """The JSON object of a request body."""
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=unique)
    except ValueError as error:
        raise Refused(400, "ModelArts.4105", f"the body is not JSON: {error}") from error
    if type(document) is not dict:
        raise Refused(400, "ModelArts.0107", "the body must be an object")
    return document


def check_config(body):
    """Parses and checks a configuration; returns it."""
    document = parse(body)
    check_types(document, MEMBERS, "")
    for member in ELEMENTS:
        check_elements(document, member)
    for name in ("worker_server_num", "spec_id"):
        if document.get(name) is None and not (name == "spec_id" and document.get("flavor")):
            raise Refused(400, "ModelArts.0104", f"{name} is required")
    code = document.get("app_url") and document.get("boot_file_url")
    if not (code or document.get("model_id") is not None or document.get("user_image_url")):
        raise Refused(400, "ModelArts.0104", "app_url and boot_file_url, or model_id, is required")
    return document


class Api:
    """The configurations of all projects, and the answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.configs = {}  # (project, name) -> document
        self.tokens = {}  # token -> catalogue.token(); while there are none, all are good
        self.lists = {}  # "resource-specs" -> rows in place of those of catalogue.py
        self.jobs = 0

    def answer(self, request):
        """(status, JSON value or None) for a wire.Message."""
        try:
            with self.lock:
                return self.route(request)
        except Refused as refused:
            return refused.status, refused.body

    def route(self, request):
        """Finds and runs the method of a route: `put_config`, `get_configs`, ..."""
        path = request.target.partition("?")[0]
        for pattern, name in ROUTES:
            match = pattern.fullmatch(path)
            if not match:
                continue
            verb = "get" if request.method == "HEAD" else request.method.lower()
            run = getattr(self, f"{verb}_{name}", None)
            if run is None:
                raise Refused(405, "ModelArts.2803", "Method not allowed.")
            if not request.all("X-Auth-Token") and not request.all("Authorization"):
                raise Refused(401, "APIG.0301", "Incorrect IAM authentication information")
            if self.tokens and request.get("X-Auth-Token") not in self.tokens:
                raise Refused(401, "APIG.0301", "Incorrect IAM authentication information")
            return run(request, *match.groups())
        raise Refused(404, "ModelArts.0015", "The API does not exist.")

    def get_list(self, request, _project, name):
        """What can be chosen for a job."""
        query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2]))
        return 200, catalogue.one_list(name, query, self.lists)

    def get_token(self, request):
        """Whose token it is."""
        subject = request.get("X-Subject-Token")
        if subject not in self.tokens:
            raise Refused(404, "IAM.0004", "Could not find token.")
        return 200, self.tokens[subject]

    def find(self, project, name):
        """A stored configuration."""
        if (project, name) not in self.configs:
            raise Refused(404, "ModelArts.0116", f"The configuration {name} does not exist.")
        return self.configs[project, name]

    def put_config(self, request, project, name):
        """Stores a configuration."""
        self.configs[project, name] = check_config(request.body)
        return 200, {"is_success": True}

    def get_config(self, _request, project, name):
        """A configuration with the members only an answer has."""
        return 200, {"is_success": True, "config_name": name, **self.find(project, name)}

    def delete_config(self, _request, project, name):
        """Forgets a configuration."""
        self.find(project, name)
        del self.configs[project, name]
        return 200, {"is_success": True}

    def get_configs(self, _request, project):
        """All configurations of a project."""
        mine = [{"config_name": n, **d} for (p, n), d in self.configs.items() if p == project]
        return 200, {"is_success": True, "config_total_count": len(mine), "configs": mine}

    def post_configs(self, request, project):
        """Makes a configuration; its name is in the body."""
        document = check_config(request.body)
        name = document.pop("config_name", None)
        if not name:
            raise Refused(400, "ModelArts.0104", "config_name is required")
        if (project, name) in self.configs:
            raise Refused(400, "ModelArts.0103", f"The configuration {name} exists already.")
        self.configs[project, name] = document
        return 200, {"is_success": True}

    def post_jobs(self, request, _project):
        """Starts a training job."""
        if not parse(request.body).get("job_name"):
            raise Refused(400, "ModelArts.0104", "job_name is required")
        self.jobs += 1
        return 200, {"is_success": True, "job_id": self.jobs, "status": 1,
                     "create_time": int(time.time() * 1000)}
