/* What all rules share: the config's members, and how a finding is made. Then the rules about the
 * config as a whole: what must be there, together, or alone. */
#include "base/chars.h"
#include "base/check.h"
#include "chain/secret_names.h"
#include "contract/internal.h"

#include <stdarg.h>
#include <stdio.h>

bool tg_judge_string(const struct tg_judge *j, enum tg_config_member member, struct tg_str *out)
{
    if (!tg_judge_has(j, member) || tg_doc_type(j->doc, j->member[member]) != TG_STRING)
        return false;
    *out = tg_doc_string(j->doc, j->member[member]);
    return true;
}

/* --- findings --- */

bool tg_judge_wants(const struct tg_judge *j)
{
    const struct tg_report *report = &j->request->report;

    return (tg_contract_severity(j->rule, j->level) == TG_VIOLATION
                ? report->violations
                : report->warnings) < TG_MAX_FINDINGS;
}

static struct tg_str format_text(struct tg_arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static struct tg_str format_text(struct tg_arena *arena, const char *format, va_list args)
{
    char text[4096];
    int n = vsnprintf(text, sizeof(text), format, args);

    CHECK(n >= 0);
    return tg_arena_dup(
        arena, (struct tg_str){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
}

static struct tg_finding judge_start(const struct tg_judge *j)
{
    return (struct tg_finding){.severity = tg_contract_severity(j->rule, j->level),
                               .rule = j->rule->id,
                               .error = j->rule->error,
                               .offset = TG_NONE};
}

void tg_judge_say(struct tg_judge *j, uint32_t node, const char *format, const char *format_zh, ...)
{
    struct tg_finding f = judge_start(j);
    va_list args;

    CHECK(node < j->doc->count);
    if (tg_judge_wants(j)) {
        f.pointer = tg_doc_pointer(j->doc, node);
        f.offset = tg_doc_offset(j->doc, node);
        va_start(args, format_zh);
        f.message.before = format_text(j->request->arena, format, args);
        va_end(args);
        va_start(args, format_zh);
        f.message_zh.before = format_text(j->request->arena, format_zh, args);
        va_end(args);
    }
    tg_report_add(&j->request->report, &f);
}

void tg_judge_say_value(struct tg_judge *j, uint32_t node, const struct tg_judge_sentence *s)
{
    struct tg_finding f = judge_start(j);

    CHECK(node < j->doc->count && s->of < j->doc->count);
    if (tg_judge_wants(j)) {
        f.pointer = tg_doc_pointer(j->doc, node);
        f.offset = tg_doc_offset(j->doc, node);
        f.message = (struct tg_message){tg_str_of(s->before), tg_str_of(s->after)};
        f.message_zh = (struct tg_message){tg_str_of(s->before_zh), tg_str_of(s->after_zh)};
        f.value = (struct tg_message_value){tg_arena_dup(j->request->arena, s->value), s->of,
                                            tg_secret_value(j->doc, s->of)};
    }
    tg_report_add(&j->request->report, &f);
}

void tg_judge_lacks(struct tg_judge *j, uint32_t object, const char *name, const char *text,
                    const char *text_zh)
{
    struct tg_finding f = judge_start(j);

    CHECK(object < j->doc->count && tg_doc_type(j->doc, object) == TG_OBJECT);
    if (tg_judge_wants(j)) {
        f.pointer = tg_arena_printf(j->request->arena, "%.*s/%s",
                                    TG_STR_ARG(tg_doc_pointer(j->doc, object)), name);
        f.message.before = tg_str_of(text);
        f.message_zh.before = tg_str_of(text_zh);
    }
    tg_report_add(&j->request->report, &f);
}

/* --- the config as a whole --- */

void tg_check_config_name(struct tg_judge *j)
{
    struct tg_str name;

    if (j->request->config_name.n > 0 || !tg_judge_string(j, TG_CONFIG_NAME, &name))
        return;
    if (name.n < 1 || name.n > 64 || !tg_chars_are(name, TG_CHAR_NAME))
        tg_judge_say(j, j->member[TG_CONFIG_NAME],
                     "must be 1 to 64 letters, digits, hyphens or underscores",
                     "必须由 1 到 64 个字母, 数字, 中划线或下划线组成");
}

/* A member that is required: absent altogether, or there as null or "". */
static void require(struct tg_judge *j, enum tg_config_member member)
{
    const char *name = tg_contract_config[member].name;

    if (tg_judge_has(j, member))
        return;
    if (j->member[member] == TG_NONE)
        tg_judge_lacks(j, j->config, name, "is required", "必填");
    else
        tg_judge_say(j, j->member[member], "is required and must not be empty", "必填, 不能为空");
}

static bool has_flavor(const struct tg_judge *j)
{
    uint32_t code;

    if (!tg_judge_has(j, TG_FLAVOR) || tg_doc_type(j->doc, j->member[TG_FLAVOR]) != TG_OBJECT)
        return false;
    code = tg_doc_member(j->doc, j->member[TG_FLAVOR], TG_STR("code"));
    return !tg_contract_absent(j->doc, code, &tg_contract_config[TG_FLAVOR].members[0]);
}

void tg_check_required(struct tg_judge *j)
{
    require(j, TG_WORKER_SERVER_NUM);
    /* flavor.code is seen in place of spec_id, but in no document */
    if (j->level == TG_STRICT || !has_flavor(j))
        require(j, TG_SPEC_ID);
}

/* Two members that go together. */
static void require_both(struct tg_judge *j, enum tg_config_member a, enum tg_config_member b)
{
    if (tg_judge_has(j, a) != tg_judge_has(j, b))
        require(j, tg_judge_has(j, a) ? b : a);
}

void tg_check_code_pair(struct tg_judge *j)
{
    if (!tg_judge_has(j, TG_USER_IMAGE_URL))
        require_both(j, TG_APP_URL, TG_BOOT_FILE_URL);
}

/* Half of the code pair is that rule's matter. */
void tg_check_algorithm(struct tg_judge *j)
{
    if (!tg_judge_has(j, TG_MODEL_ID) && !tg_judge_has(j, TG_APP_URL) &&
        !tg_judge_has(j, TG_BOOT_FILE_URL) && !tg_judge_has(j, TG_USER_IMAGE_URL))
        tg_judge_say(j, j->config,
                     "needs model_id, or app_url with boot_file_url, or user_image_url",
                     "必须填写 model_id, 或 app_url 与 boot_file_url, 或 user_image_url");
}

void tg_check_image_command(struct tg_judge *j)
{
    require_both(j, TG_USER_IMAGE_URL, TG_USER_COMMAND);
}

void tg_check_dataset_pair(struct tg_judge *j)
{
    require_both(j, TG_DATASET_ID, TG_DATASET_VERSION_ID);
}

/* --- data sources --- */

/* Each of the three ways to name data, by its first member. */
enum { DATA_URL, DATASET, DATA_SOURCE, WAYS };

static bool has_elements(const struct tg_judge *j)
{
    return tg_judge_has(j, TG_DATA_SOURCE) &&
           (tg_doc_type(j->doc, j->member[TG_DATA_SOURCE]) != TG_ARRAY ||
            tg_doc_first(j->doc, j->member[TG_DATA_SOURCE]) != TG_NONE);
}

/* Half a dataset names data too: whoever sent it meant one. */
static unsigned count_ways(const struct tg_judge *j, bool has[WAYS])
{
    has[DATA_URL] = tg_judge_has(j, TG_DATA_URL);
    has[DATASET] = tg_judge_has(j, TG_DATASET_ID) || tg_judge_has(j, TG_DATASET_VERSION_ID);
    has[DATA_SOURCE] = has_elements(j);
    return (unsigned)has[DATA_URL] + has[DATASET] + has[DATA_SOURCE];
}

void tg_check_data_conflict(struct tg_judge *j)
{
    bool has[WAYS];
    unsigned n = count_ways(j, has);
    uint32_t node;

    CHECK(n <= WAYS);
    if (n < 2)
        return;
    node = has[DATA_URL]                    ? j->member[TG_DATA_URL]
           : tg_judge_has(j, TG_DATASET_ID) ? j->member[TG_DATASET_ID]
                                            : j->member[TG_DATASET_VERSION_ID];
    tg_judge_say(j, node, "is one of %u data sources (%s%s%s%s%s): keep exactly one",
                 "是 %u 个数据来源之一 (%s%s%s%s%s): 只能保留一个", n,
                 has[DATA_URL] ? "data_url" : "", has[DATA_URL] && has[DATASET] ? ", " : "",
                 has[DATASET] ? "dataset_id + dataset_version_id" : "",
                 has[DATA_SOURCE] ? ", " : "", has[DATA_SOURCE] ? "data_source" : "");
}

void tg_check_data_missing(struct tg_judge *j)
{
    bool has[WAYS];

    if (count_ways(j, has) == 0)
        tg_judge_say(j, j->config,
                     "needs data_url, or dataset_id with dataset_version_id, or data_source",
                     "必须填写 data_url, 或 dataset_id 与 dataset_version_id, 或 data_source");
}

/* --- model_id --- */

void tg_check_model_alone(struct tg_judge *j)
{
    static const enum tg_config_member others[] = {TG_APP_URL, TG_BOOT_FILE_URL, TG_ENGINE_ID};

    if (!tg_judge_has(j, TG_MODEL_ID))
        return;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (tg_judge_has(j, others[i]))
            tg_judge_say(j, j->member[others[i]], "is not used together with model_id",
                         "与 model_id 同时填写时不生效");
}
