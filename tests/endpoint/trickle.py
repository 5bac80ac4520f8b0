#!/usr/bin/python3
"""Requests as a team of people and jobs would send them, now right, now wrong: for demonstrations.

    trickle.py URL [PER-SECOND [SECONDS]]"""

import http.client
import json
import pathlib
import random
import sys
import time
import urllib.parse

BODIES = pathlib.Path(__file__).resolve().parents[1] / "data/bodies"
EXAMPLE = json.loads((BODIES / "01_seed_put_example.json").read_text(encoding="utf-8"))
GOOD = EXAMPLE | {"parameter": [{"label": "learning_rate", "value": "0.01"}]}
BAD = {"worker_server_num": "4", "spec_id": 2, "app_url": "obs://vision/train/", "data_url": "/vision/cats//2024/",
       "parameter": [{"key": "lr", "value": 0.01}, {"label": "图像增强", "value": True}]}
PROJECTS = ["6b37a5f1c2d94e0f8a7b6c5d4e3f2a1b", "0a1b2c3d4e5f67890a1b2c3d4e5f6789", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"]
CONFIGS = ["resnet50-cats", "bert-base-zh", "yolo-v8-street", "llm-sft-7b", "speech-asr", "ocr-invoices"]
LIST = "/v1/{project}/training-job-configs?limit=10"
PUT = "/v1/{project}/training-job-configs/{config}"

# How often, and what: a body, or None for a GET.
KINDS = [
    (8, LIST, None),
    (6, PUT, GOOD),
    (6, PUT, EXAMPLE),
    (2, PUT, EXAMPLE | {"worker_server_num": 8}),
    (2, PUT, GOOD | {"user_image_url": "docker.io/me/mine:latest", "user_command": "python train.py"}),
    (2, PUT, {name: value for name, value in GOOD.items() if name != "config_desc"}),
    (1, PUT, BAD),
    (1, "/v1/{project}/training-job-configs/big-model", GOOD | {"worker_server_num": 16}),
]


def one(source):
    """One request: method, path, body."""
    path, body = source.choices([k[1:] for k in KINDS], [k[0] for k in KINDS])[0]
    path = path.format(project=source.choice(PROJECTS), config=source.choice(CONFIGS))
    return ("GET", path, None) if body is None else ("PUT", path, json.dumps(body, ensure_ascii=False).encode())


def send(host, source):
    """Sends one; what becomes of it is its own matter."""
    method, path, body = one(source)
    fields = {"X-Auth-Token": f"token-{source.randint(1, 5)}", "User-Agent": "demo"}
    if body is not None:
        fields["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, fields)
        connection.getresponse().read()
    finally:
        connection.close()


def run(url, rate=4.0, seconds=float("inf")):
    """Sends until the time is over, or nobody answers any more."""
    host, source, end = urllib.parse.urlsplit(url).netloc, random.Random(7), time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            send(host, source)
            time.sleep(source.expovariate(rate))
    except (OSError, http.client.HTTPException):
        pass


if __name__ == "__main__":
    run(sys.argv[1], *map(float, sys.argv[2:]))
