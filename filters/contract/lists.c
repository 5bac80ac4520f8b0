/* Rules about the elements of `parameter` and `data_source`. */
#include "base/check.h"
#include "contract/internal.h"
#include "json/name_set.h"

/* The first element of a list that is an object, from `node` on. */
static uint32_t object_from(const struct tg_judge *j, uint32_t node)
{
    while (node != TG_NONE && tg_doc_type(j->doc, node) != TG_OBJECT)
        node = tg_doc_next(j->doc, node);
    return node;
}

static uint32_t first_object(const struct tg_judge *j, enum tg_config_member list)
{
    uint32_t array = j->member[list];

    if (array == TG_NONE || tg_doc_type(j->doc, array) != TG_ARRAY)
        return TG_NONE;
    return object_from(j, tg_doc_first(j->doc, array));
}

static uint32_t next_object(const struct tg_judge *j, uint32_t node)
{
    return object_from(j, tg_doc_next(j->doc, node));
}

/* --- parameter --- */

static uint32_t label_of(const struct tg_judge *j, uint32_t element)
{
    return tg_contract_value(j->doc, element, tg_contract_config[TG_PARAMETER].members,
                             TG_PARAMETER_LABEL);
}

static bool label_text(const struct tg_judge *j, uint32_t element, struct tg_str *out)
{
    uint32_t label = label_of(j, element);

    if (label == TG_NONE || tg_doc_type(j->doc, label) != TG_STRING)
        return false;
    *out = tg_doc_string(j->doc, label);
    return true;
}

/* Two labels that are the same set the same bit. */
static uint64_t bit_of(struct tg_str label)
{
    return (uint64_t)1 << (((unsigned char)label.p[0] + 5 * label.n) & 63);
}

void tg_judge_labels(struct tg_judge *j)
{
    struct tg_str label;
    uint64_t seen = 0;

    for (uint32_t e = first_object(j, TG_PARAMETER); e != TG_NONE; e = next_object(j, e)) {
        if (!label_text(j, e, &label) || label.n == 0) {
            j->faults |= TG_FAULT_LABEL;
            continue;
        }
        if (seen & bit_of(label))
            j->faults |= TG_FAULT_LABEL_TWICE;
        seen |= bit_of(label);
    }
}

void tg_check_label_missing(struct tg_judge *j)
{
    if (!(j->faults & TG_FAULT_LABEL))
        return;
    for (uint32_t e = first_object(j, TG_PARAMETER); e != TG_NONE; e = next_object(j, e)) {
        uint32_t label = label_of(j, e);

        if (label == TG_NONE)
            tg_judge_lacks(j, e, "label", "is required, the parameter's name",
                           "必填, 即参数的名称");
        else if (tg_doc_type(j->doc, label) == TG_NULL)
            tg_judge_say(j, label, "is required and must not be null", "必填, 不能为 null");
    }
}

void tg_check_label_empty(struct tg_judge *j)
{
    struct tg_str label;

    if (!(j->faults & TG_FAULT_LABEL))
        return;
    for (uint32_t e = first_object(j, TG_PARAMETER); e != TG_NONE; e = next_object(j, e))
        if (label_text(j, e, &label) && label.n == 0)
            tg_judge_say(j, label_of(j, e), "must not be empty", "不能为空");
}

void tg_check_label_twice(struct tg_judge *j)
{
    struct tg_name_set labels;
    struct tg_str label;
    size_t n = 0;

    if (!(j->faults & TG_FAULT_LABEL_TWICE))
        return;
    for (uint32_t e = first_object(j, TG_PARAMETER); e != TG_NONE; e = next_object(j, e))
        n++;
    tg_name_set_init(&labels, j->request->arena, n);
    for (uint32_t e = first_object(j, TG_PARAMETER); e != TG_NONE; e = next_object(j, e))
        if (label_text(j, e, &label) && label.n > 0 && !tg_name_set_add(&labels, label))
            tg_judge_say(j, label_of(j, e), "is the label of an earlier parameter",
                         "与前面参数的 label 重复");
    tg_name_set_end(&labels);
}

/* --- data_source --- */

/* What an element of data_source names. */
struct source {
    uint32_t type, data_url, dataset_id, dataset_version; /* TG_NONE when absent */
    bool obs, dataset;                                    /* it has members of that kind */
};

static uint32_t present(const struct tg_judge *j, uint32_t element, enum tg_source_member member)
{
    const struct tg_contract_member *members = tg_contract_config[TG_DATA_SOURCE].members;
    uint32_t node = tg_contract_value(j->doc, element, members, member);

    return tg_contract_absent(j->doc, node, &members[member]) ? TG_NONE : node;
}

/* A type that is a string but neither word. */
static bool check_kind(struct tg_judge *j, const struct source *s)
{
    if (s->type == TG_NONE || tg_doc_type(j->doc, s->type) != TG_STRING ||
        tg_doc_is(j->doc, s->type, TG_STR("obs")) || tg_doc_is(j->doc, s->type, TG_STR("dataset")))
        return true;
    tg_judge_say(j, s->type, "must be \"obs\" or \"dataset\"", "必须是 \"obs\" 或 \"dataset\"");
    return false;
}

static bool is_kind(const struct tg_judge *j, const struct source *s, const char *kind)
{
    return s->type != TG_NONE && tg_doc_type(j->doc, s->type) == TG_STRING &&
           tg_doc_is(j->doc, s->type, tg_str_of(kind));
}

static void check_dataset(struct tg_judge *j, uint32_t e, const struct source *s)
{
    if (s->dataset_id == TG_NONE)
        tg_judge_lacks(j, e, "dataset_id", "is required with dataset_version",
                       "与 dataset_version 必须同时填写");
    if (s->dataset_version != TG_NONE)
        return;
    if (tg_doc_member(j->doc, e, TG_STR("dataset_version_id")) != TG_NONE)
        tg_judge_lacks(j, e, "dataset_version",
                       "is required with dataset_id: it is not called dataset_version_id here",
                       "与 dataset_id 必须同时填写: 此处名称不是 dataset_version_id");
    else
        tg_judge_lacks(j, e, "dataset_version", "is required with dataset_id",
                       "与 dataset_id 必须同时填写");
}

static void check_source(struct tg_judge *j, uint32_t e)
{
    struct source s = {present(j, e, TG_SOURCE_TYPE),
                       present(j, e, TG_SOURCE_DATA_URL),
                       present(j, e, TG_SOURCE_DATASET_ID),
                       present(j, e, TG_SOURCE_DATASET_VERSION),
                       false,
                       false};

    s.obs = s.data_url != TG_NONE;
    s.dataset = s.dataset_id != TG_NONE || s.dataset_version != TG_NONE;
    if (!check_kind(j, &s))
        return;
    if (s.obs && s.dataset)
        tg_judge_say(j, e, "must not have both data_url and a dataset: use two elements",
                     "不能同时包含 data_url 和数据集: 应拆分为两个元素");
    else if (is_kind(j, &s, "obs") && s.dataset)
        tg_judge_say(j, s.type, "must be \"dataset\" for dataset_id and dataset_version",
                     "与 dataset_id 和 dataset_version 对应的 type 必须是 \"dataset\"");
    else if (is_kind(j, &s, "dataset") && s.obs)
        tg_judge_say(j, s.type, "must be \"obs\" for data_url",
                     "与 data_url 对应的 type 必须是 \"obs\"");
    else if (s.dataset || is_kind(j, &s, "dataset"))
        check_dataset(j, e, &s);
    else if (!s.obs)
        tg_judge_lacks(j, e, "data_url", "is required, or dataset_id and dataset_version",
                       "必填, 或填写 dataset_id 和 dataset_version");
}

void tg_check_data_source(struct tg_judge *j)
{
    for (uint32_t e = first_object(j, TG_DATA_SOURCE); e != TG_NONE; e = next_object(j, e))
        check_source(j, e);
}
