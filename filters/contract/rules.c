/* The table of the rules, and how a config is judged by all of them. */
#include "base/check.h"
#include "contract/internal.h"

const char *const tg_contract_levels[] = {"lax", "documented", "strict", NULL};

/* id, severity at lax, documented and strict, error, what it demands, the check */
const struct tg_contract_rule tg_contract_rules[] = {
    /* judged by `json` and `normalize`, at every level */
    {"json", "ddd", TG_E_NOT_JSON, "the body is JSON exactly as RFC 8259 has it, in UTF-8",
     "请求体必须是严格符合 RFC 8259 的 UTF-8 JSON", NULL},
    {"duplicate", "ddd", TG_E_NOT_JSON, "no object has the same member name twice",
     "同一对象中成员名不能重复", NULL},
    {"limit", "ddd", TG_E_NOT_JSON, "the body is not nested too deeply and has not too many values",
     "请求体的嵌套层数和值的数量不能超过限制", NULL},
    {"config_at", "ddd", TG_E_MISSING, "the body has a config where the location says it is",
     "请求体必须包含配置对象", NULL},
    {"spelling", "ddd", TG_E_INVALID,
     "no member is one that the API knows but for capitals, \"_\" or \"-\"",
     "参数名不能与 API 定义的名称仅在大小写, 下划线或中划线上不同", NULL},
    {"key_and_label", "ddd", TG_E_INVALID,
     "a parameter's old name \"key\" does not contradict its \"label\"",
     "参数的旧名称 key 不能与 label 矛盾", NULL},
    {"response_name", "ddd", TG_E_INVALID, "config_name in the body is that of the path",
     "请求体中的 config_name 必须与路径一致", NULL},
    {"signed_change", "ddd", TG_E_SIGNED_CHANGE, "a signed body needs no change",
     "已签名的请求体不能需要修改", NULL},

    /* judged by `catalogue` and `current` */
    {"catalogue", "ddd", TG_E_INVALID,
     "spec_id, engine_id and model_id are offered to the project, and no more nodes than there are",
     "spec_id, engine_id 和 model_id 必须是项目可选的, 节点数不超过上限", NULL},
    {"catalogue_stock", "www", TG_E_INVALID, "the specification is not sold out", "资源规格未售罄",
     NULL},
    {"catalogue_engine", "www", TG_E_INVALID, "an engine for GPUs has a specification with GPUs",
     "GPU 引擎应配有 GPU 的资源规格", NULL},
    {"catalogue_unknown", "www", TG_E_INVALID, "the catalogue of the project is known",
     "项目的资源目录是已知的", NULL},
    {"unchanged", "www", TG_E_INVALID, "a PUT changes something", "PUT 应当有所改变", NULL},

    {"type", "ddd", TG_E_INVALID, "each member has its type; integers are plain decimal",
     "每个参数的类型必须正确, 整数必须是普通十进制", tg_check_type},
    {"range", "ddd", TG_E_INVALID, "worker_server_num is at least 1, ids are at least 0",
     "worker_server_num 不小于 1, 各 ID 不小于 0", tg_check_range},
    {"length", "ddd", TG_E_INVALID, "config_desc has at most 256 characters",
     "config_desc 不超过 256 个字符", tg_check_length},
    {"config_name", "ddd", TG_E_INVALID,
     "config_name has 1 to 64 letters, digits, hyphens and underscores",
     "config_name 由 1 到 64 个字母, 数字, 中划线或下划线组成", tg_check_config_name},
    {"obs_path", "ddd", TG_E_OBS_PATH, "an OBS path is /bucket/... with a legal bucket name",
     "OBS 路径的格式为 /桶名/..., 桶名必须合法", tg_check_obs_path},
    {"data_path", "ddd", TG_E_OBS_PATH, "a data path names something behind the bucket",
     "数据路径必须指向桶内的对象或目录", tg_check_data_path},
    {"obs_ascii", "-wd", TG_E_OBS_PATH, "an OBS path has only ASCII characters",
     "OBS 路径只能包含 ASCII 字符", tg_check_obs_ascii},
    {"boot_file", "ddd", TG_E_INVALID, "boot_file_url lies inside app_url",
     "boot_file_url 必须位于 app_url 之内", tg_check_boot_file},
    {"image", "ddd", TG_E_INVALID, "user_image_url is an image reference, host:port/org/repo:tag",
     "user_image_url 必须是镜像地址, 如 host:port/org/repo:tag", tg_check_image},
    {"label_missing", "ddd", TG_E_MISSING, "each parameter has a label", "每个参数必须有 label",
     tg_check_label_missing},
    {"label_empty", "ddd", TG_E_INVALID, "a parameter's label is not empty",
     "参数的 label 不能为空", tg_check_label_empty},
    {"label_twice", "-wd", TG_E_INVALID, "no two parameters have the same label",
     "参数的 label 不能重复", tg_check_label_twice},
    {"data_source", "ddd", TG_E_INVALID,
     "an element of data_source is one of two kinds: obs with data_url, or dataset with dataset_id "
     "and dataset_version",
     "data_source 的元素只能是两种之一: obs 配 data_url, 或 dataset 配 dataset_id 和 "
     "dataset_version",
     tg_check_data_source},
    {"required", "-dd", TG_E_MISSING, "worker_server_num and spec_id are there",
     "必须填写 worker_server_num 和 spec_id", tg_check_required},
    {"code_pair", "-dd", TG_E_MISSING, "app_url and boot_file_url are there together",
     "app_url 和 boot_file_url 必须同时填写", tg_check_code_pair},
    {"algorithm", "-dd", TG_E_MISSING,
     "one of model_id, app_url with boot_file_url, and user_image_url is there",
     "model_id, app_url 与 boot_file_url, user_image_url 三者必须填写其一", tg_check_algorithm},
    {"image_command", "-wd", TG_E_MISSING, "user_image_url and user_command are there together",
     "user_image_url 和 user_command 必须同时填写", tg_check_image_command},
    {"dataset_pair", "-dd", TG_E_MISSING, "dataset_id and dataset_version_id are there together",
     "dataset_id 和 dataset_version_id 必须同时填写", tg_check_dataset_pair},
    {"data_conflict", "ddd", TG_E_INVALID,
     "there is no more than one of data_url, dataset_id with dataset_version_id, and data_source",
     "data_url, dataset_id 与 dataset_version_id, data_source 不能同时填写",
     tg_check_data_conflict},
    {"data_missing", "-dd", TG_E_MISSING,
     "one of data_url, dataset_id with dataset_version_id, and data_source is there",
     "data_url, dataset_id 与 dataset_version_id, data_source 三者必须填写其一",
     tg_check_data_missing},
    {"model_alone", "-wd", TG_E_INVALID,
     "model_id stands without app_url, boot_file_url and engine_id",
     "填写 model_id 时不应填写 app_url, boot_file_url 和 engine_id", tg_check_model_alone},
    {"slash", "-wd", TG_E_OBS_PATH, "a directory ends with \"/\"", "目录必须以 / 结尾",
     tg_check_slash},
    {"unknown", "-wd", TG_E_INVALID, "every member is one that the API knows",
     "不能包含 API 未定义的参数", tg_check_unknown},
    {.id = NULL},
};

const struct tg_contract_rule *tg_contract_rule(const char *id)
{
    const struct tg_contract_rule *rule = tg_contract_rules;

    while (rule->id != NULL && strcmp(rule->id, id) != 0)
        rule++;
    CHECK(rule->id != NULL);
    return rule;
}

/* --- judging --- */

void tg_contract_spelling(struct tg_request *r)
{
    struct tg_judge j = {.request = r, .doc = r->doc, .config = r->config, .level = TG_LAX};

    if (tg_doc_type(r->doc, r->config) != TG_OBJECT)
        return;
    tg_check_spelling(&j);
}

void tg_contract_judge(struct tg_request *r, enum tg_contract_level level)
{
    struct tg_judge j = {.request = r, .doc = r->doc, .config = r->config, .level = level};

    CHECK(r->doc != NULL && r->config < r->doc->count);
    CHECK(level >= TG_LAX && level <= TG_STRICT);
    if (tg_doc_type(r->doc, r->config) != TG_OBJECT) {
        j.rule = tg_contract_rule("type");
        tg_judge_say(&j, r->config, "must be an object", "必须是对象");
        return;
    }
    j.member = tg_contract_members(j.doc, j.config)->value;
    tg_judge_look(&j);
    for (const struct tg_contract_rule *rule = tg_contract_rules; rule->id != NULL; rule++) {
        if (rule->check == NULL || rule->severity[level - 1] == '-')
            continue;
        j.rule = rule;
        rule->check(&j);
    }
}
