#include "base/check.h"
#include "normalize/internal.h"

/* --- help --- */

static const struct tg_node *node_of(const struct tg_normal *n, uint32_t node)
{
    CHECK(node < n->doc->count);
    return &n->doc->node[node];
}

void tg_normal_each(struct tg_normal *n, enum tg_config_member array,
                    void (*run)(struct tg_normal *n, uint32_t element))
{
    uint32_t list = n->member[array];

    if (list == TG_NONE || tg_doc_type(n->doc, list) != TG_ARRAY)
        return;
    for (uint32_t e = node_of(n, list)->child; e != TG_NONE; e = node_of(n, e)->next)
        if (tg_doc_type(n->doc, e) == TG_OBJECT)
            run(n, e);
}

uint32_t tg_normal_value(const struct tg_normal *n, enum tg_config_member array, uint32_t element,
                         unsigned row)
{
    return tg_contract_value(n->doc, element, tg_contract_config[array].members, row);
}

/* Behind every change to the names of the config's members. */
static void look_up(struct tg_normal *n)
{
    n->member = tg_contract_members(n->doc, n->config)->value;
}

static bool has(const struct tg_normal *n, enum tg_config_member m)
{
    return !tg_contract_absent(n->doc, n->member[m], &tg_contract_config[m]);
}

static bool is_null(const struct tg_normal *n, uint32_t node)
{
    return node == TG_NONE || tg_doc_type(n->doc, node) == TG_NULL;
}

static void report(struct tg_normal *n, uint32_t node, const char *rule, struct tg_str message,
                   struct tg_str message_zh)
{
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = rule,
                           .error = tg_contract_rule(rule)->error,
                           .message = message,
                           .message_zh = message_zh};

    f.pointer = tg_doc_pointer(n->doc, node);
    f.offset = node_of(n, node)->offset;
    tg_report_add(&n->request->report, &f);
}

/* --- parameter --- */

/* The value of an element's `key`, unless a `label` says it otherwise. */
static void key_to_label(struct tg_normal *n, uint32_t element)
{
    uint32_t key = tg_doc_member(n->doc, element, TG_STR("key"));
    uint32_t label, name;

    if (is_null(n, key))
        return;
    label = tg_normal_value(n, TG_PARAMETER, element, TG_PARAMETER_LABEL);
    name = node_of(n, key)->parent;
    if (is_null(n, label)) {
        if (label != TG_NONE)
            tg_doc_remove(n->doc, node_of(n, label)->parent, n->why);
        tg_doc_rename(n->doc, name, TG_STR("label"), n->why);
    } else if (tg_doc_type(n->doc, key) == TG_STRING && tg_doc_type(n->doc, label) == TG_STRING &&
               tg_doc_is(n->doc, key, tg_doc_string(n->doc, label))) {
        tg_doc_remove(n->doc, name, n->why);
    } else {
        report(n, name, "key_and_label", TG_STR("differs from \"label\": keep only the right one"),
               TG_STR("与 label 不一致: 只能保留正确的一个"));
    }
}

static void all_keys(struct tg_normal *n)
{
    tg_normal_each(n, TG_PARAMETER, key_to_label);
}

static void number_to_string(struct tg_normal *n, uint32_t element)
{
    uint32_t value = tg_normal_value(n, TG_PARAMETER, element, TG_PARAMETER_VALUE);
    struct tg_str text;

    if (value == TG_NONE || tg_doc_type(n->doc, value) != TG_NUMBER)
        return;
    text = tg_arena_quote(n->request->arena, tg_doc_text(n->doc, value));
    tg_doc_replace(n->doc, value, TG_STRING, text, n->why);
}

static void all_numbers(struct tg_normal *n)
{
    tg_normal_each(n, TG_PARAMETER, number_to_string);
}

/* --- integers --- */

/* Only what is spelt as the contract wants the number: no sign, no zeros in front, in range. */
static void string_to_integer(struct tg_normal *n)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++) {
        const struct tg_contract_member *row = &tg_contract_config[i];
        uint32_t node = n->member[i];
        uint64_t value;

        if (row->type != TG_CONTRACT_INTEGER || node == TG_NONE ||
            tg_doc_type(n->doc, node) != TG_STRING ||
            !tg_str_u64(tg_doc_string(n->doc, node), &value) || value > (uint64_t)row->max ||
            value < (uint64_t)row->min)
            continue;
        tg_doc_replace(n->doc, node, TG_NUMBER, tg_doc_string(n->doc, node), n->why);
    }
}

/* --- members of answers --- */

static bool names_this_config(const struct tg_normal *n, uint32_t value)
{
    return is_null(n, value) || (tg_doc_type(n->doc, value) == TG_STRING &&
                                 tg_doc_is(n->doc, value, n->request->config_name));
}

static void drop_response_member(struct tg_normal *n, uint32_t name,
                                 const struct tg_contract_member *row)
{
    struct tg_str own = n->request->config_name;
    bool is_name = row == &tg_contract_config[TG_CONFIG_NAME];

    if (is_name && own.n == 0)
        return; /* a create names the config in its body */
    if (!is_name || names_this_config(n, node_of(n, name)->child)) {
        tg_doc_remove(n->doc, name, n->why);
        return;
    }
    report(n, name, "response_name",
           tg_arena_printf(n->request->arena,
                           "must be \"%.*s\" as in the request's path, or be left out",
                           TG_STR_ARG(own)),
           tg_arena_printf(n->request->arena, "必须与请求路径中的 \"%.*s\" 一致, 或去掉",
                           TG_STR_ARG(own)));
}

static void drop_response_members(struct tg_normal *n)
{
    uint32_t next;

    if (!(tg_contract_members(n->doc, n->config)->flags & TG_CONTRACT_RESPONSE))
        return;
    for (uint32_t m = node_of(n, n->config)->child; m != TG_NONE; m = next) {
        const struct tg_contract_member *row = tg_contract_row(n->doc, tg_contract_config, m);

        next = node_of(n, m)->next;
        if (row != NULL && (row->flags & TG_CONTRACT_RESPONSE))
            drop_response_member(n, m, row);
    }
    look_up(n);
}

/* --- defaults --- */

/* Gives a member a value where it has none. null and "" are there, but count as absent. */
static void fill(struct tg_normal *n, const struct tg_contract_member *row, struct tg_str text)
{
    uint32_t node = tg_doc_member(n->doc, n->config, tg_str_of(row->name));
    enum tg_node_type type = row->type == TG_CONTRACT_INTEGER ? TG_NUMBER : TG_STRING;

    if (node == TG_NONE) {
        tg_doc_add(n->doc, n->config, tg_str_of(row->name), type, text, n->why);
        look_up(n);
    } else if (tg_contract_absent(n->doc, node, row)) {
        tg_doc_replace(n->doc, node, type, text, n->why);
    }
}

static void fill_defaults(struct tg_normal *n)
{
    for (unsigned i = 0; i < n->ndefaults; i++) {
        const struct tg_normal_default *d = &n->defaults[i];
        struct tg_str value;
        struct tg_buf json = {0};

        if (!tg_normal_expand(n->request, d->value, &value))
            continue;
        if (d->member->type == TG_CONTRACT_STRING)
            tg_buf_json(&json, value);
        else
            tg_buf_add(&json, value);
        fill(n, d->member, tg_buf_str(&json));
        tg_buf_end(&json);
    }
}

/* An engine runs code of one's own; built-in algorithms and custom images bring theirs. */
static void engine_default(struct tg_normal *n)
{
    if ((has(n, TG_APP_URL) || has(n, TG_BOOT_FILE_URL)) && !has(n, TG_MODEL_ID) &&
        !has(n, TG_USER_IMAGE_URL))
        fill(n, &tg_contract_config[TG_ENGINE_ID], TG_STR("1"));
}

/* --- nulls --- */

/* Each change tells its pointer, and under long names of outer members those would be longer than
 * any body: so many bytes of pointers for one of the text. */
enum { NULLS_TOLD = 16 };

static bool tells_too_much(const struct tg_normal *n)
{
    return n->nulls_told / NULLS_TOLD > n->doc->text.n;
}

/* Recursion is bounded by the depth the document was read with. */
static void drop_nulls_in(struct tg_normal *n, uint32_t container)
{
    uint32_t next;

    for (uint32_t c = node_of(n, container)->child; c != TG_NONE && !tells_too_much(n); c = next) {
        bool is_name = tg_doc_type(n->doc, c) == TG_NAME;
        uint32_t value = is_name ? node_of(n, c)->child : c;

        next = node_of(n, c)->next;
        if (is_name && is_null(n, value)) {
            tg_doc_remove(n->doc, c, n->why);
            n->nulls_told += n->doc->last_change->pointer.n;
        } else if (node_of(n, value)->child != TG_NONE) {
            drop_nulls_in(n, value);
        }
    }
}

static void drop_nulls(struct tg_normal *n)
{
    drop_nulls_in(n, n->config);
    look_up(n);
    if (tells_too_much(n))
        report(n, n->config, "limit", TG_STR("has too many nulls under long names: leave them out"),
               TG_STR("长名称之下的 null 过多: 应去掉"));
}

const struct tg_normal_step tg_normal_steps[TG_NORMAL_STEPS] = {
    {"key_to_label", true, all_keys},
    {"number_to_string", true, all_numbers},
    {"string_to_integer", true, string_to_integer},
    {"drop_response_members", true, drop_response_members},
    {"normalize_default", true, fill_defaults},
    {"obs_scheme", true, tg_normal_obs_scheme},
    {"directory_slash", false, tg_normal_directory_slash},
    {"engine_default", false, engine_default},
    {"drop_nulls", false, drop_nulls},
};
