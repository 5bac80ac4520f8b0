// What the gateway does to the example, in njs's way: a handler that asks by a subrequest.
const need = {worker_server_num: "number", app_url: "string", boot_file_url: "string",
              parameter: "object", dataset_id: "string", train_url: "string"};

function mend(document) {
    for (const name in need) {
        if (typeof document[name] !== need[name]) {
            throw new Error(name + " is missing or has the wrong type");
        }
    }
    document.parameter.forEach(one => {
        if (one.key && !one.label) {
            one.label = one.key;
            delete one.key;
        }
    });
    if (document.worker_server_num > 4 || !document.app_url.startsWith("/usr/")) {
        throw new Error("not allowed");
    }
}

async function handle(r) {
    try {
        const document = JSON.parse(r.requestText);
        mend(document);
        const answer = await r.subrequest("/upstream" + r.uri,
                                          {method: "PUT", body: JSON.stringify(document)});
        r.headersOut["Content-Type"] = "application/json";
        r.return(answer.status, answer.responseText);
    } catch (e) {
        r.return(400, JSON.stringify({is_success: false, error_msg: e.message}));
    }
}

export default {handle};
