"""What the stand-in endpoint offers (specifications, engines, built-in algorithms) and whom its
tokens belong to, as the services answer."""

SPECS = [
    {"spec_id": 2, "core": "2", "cpu": "8", "gpu_num": 0, "gpu_type": "",
     "spec_code": "modelarts.vm.cpu.2u", "unit_num": 1, "max_num": 2, "storage": "",
     "interface_type": 1, "no_resource": False},
    {"spec_id": 4, "core": "8", "cpu": "64", "gpu_num": 1, "gpu_type": "nvidia-v100",
     "spec_code": "modelarts.vm.gpu.v100", "unit_num": 1, "max_num": 4, "storage": "",
     "interface_type": 1, "no_resource": False},
    {"spec_id": 7, "core": "64", "cpu": "512", "gpu_num": 8, "gpu_type": "nvidia-v100",
     "spec_code": "modelarts.vm.gpu.8v100", "unit_num": 8, "max_num": 16, "storage": "",
     "interface_type": 1, "no_resource": False},
    {"spec_id": 27, "core": "8", "cpu": "32", "gpu_num": 0, "gpu_type": "",
     "spec_code": "modelarts.vm.cpu.8u", "unit_num": 1, "max_num": 1, "storage": "",
     "interface_type": 1, "no_resource": True},
]
ENGINES = [
    {"engine_type": 1, "engine_name": "TensorFlow", "engine_id": 1, "engine_version": "TF-1.8.0-python2.7"},
    {"engine_type": 1, "engine_name": "TensorFlow", "engine_id": 4, "engine_version": "TF-1.8.0-python3.6"},
    {"engine_type": 17, "engine_name": "MindSpore-GPU", "engine_id": 122,
     "engine_version": "MindSpore-1.1.0-gpu-cuda10.1-python3.7"},
]
MODELS = [
    {"model_id": n, "model_name": f"algorithm_{n}", "model_usage": 1, "model_precision": "",
     "engine_id": 1, "engine_name": "TensorFlow", "engine_version": "TF-1.8.0-python2.7"}
    for n in range(1, 251)
]

LISTS = {"resource-specs": ("specs", SPECS, "spec_total_count"),
         "ai-engines": ("engines", ENGINES, "engine_total_count"),
         "built-in-algorithms": ("models", MODELS, "model_total_count")}


def one_list(name, query, lists):
    """The answer to a question for one list; that of algorithms has pages."""
    member, rows, total = LISTS[name]
    rows = lists.get(name, rows)
    answer = {"is_success": True, total: len(rows), member: rows}
    if name == "built-in-algorithms":
        size, page = int(query.get("per_page", 10)), int(query.get("page", 1))
        answer[member] = rows[(page - 1) * size:page * size]
    return answer


def token(user="alice", project="p", roles=("te_admin", "ml-admin"), domain="acme",
          expires="2099-01-01T00:00:00.000000Z"):
    """What the identity service says of a token."""
    return {"token": {
        "expires_at": expires, "issued_at": "2026-01-01T00:00:00.000000Z", "methods": ["password"],
        "catalog": [], "roles": [{"id": str(n), "name": name} for n, name in enumerate(roles)],
        "project": {"id": project, "name": "cn-north-4",
                    "domain": {"id": "d1", "name": domain}},
        "user": {"id": f"id-{user}", "name": user, "password_expires_at": "",
                 "domain": {"id": "d1", "name": domain}}}}
