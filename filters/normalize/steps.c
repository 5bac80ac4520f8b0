/* The normalizations one by one, and the table of them. */
#include "base/check.h"
#include "normalize/internal.h"

/* --- help --- */

/* Calls `run` for each object in an array of the config. */
static void each_element(struct tg_normal *n, enum tg_config_member array,
                         void (*run)(struct tg_normal *n, uint32_t element))
{
    uint32_t list = n->member[array];

    if (list == TG_NONE || tg_doc_type(n->doc, list) != TG_ARRAY)
        return;
    for (uint32_t e = tg_doc_first(n->doc, list); e != TG_NONE; e = tg_doc_next(n->doc, e))
        if (tg_doc_type(n->doc, e) == TG_OBJECT)
            run(n, e);
}

/* The value of an element's member by its row in the table of the array's elements, or TG_NONE. */
static uint32_t value_of(const struct tg_normal *n, enum tg_config_member array, uint32_t element,
                         unsigned row)
{
    return tg_contract_value(n->doc, element, tg_contract_config[array].members, row);
}

/* Behind every change to the names of the config's members. */
static void steps_look_up(struct tg_normal *n)
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

static void steps_report(struct tg_normal *n, uint32_t node, const char *rule,
                         struct tg_str message, struct tg_str message_zh)
{
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = rule,
                           .error = tg_contract_rule(rule)->error,
                           .message.before = message,
                           .message_zh.before = message_zh};

    f.pointer = tg_doc_pointer(n->doc, node);
    f.offset = tg_doc_offset(n->doc, node);
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
    label = value_of(n, TG_PARAMETER, element, TG_PARAMETER_LABEL);
    name = tg_doc_parent(n->doc, key);
    if (is_null(n, label)) {
        if (label != TG_NONE)
            tg_doc_remove(n->doc, tg_doc_parent(n->doc, label), n->why);
        tg_doc_rename(n->doc, name, TG_STR("label"), n->why);
    } else if (tg_doc_type(n->doc, key) == TG_STRING && tg_doc_type(n->doc, label) == TG_STRING &&
               tg_doc_is(n->doc, key, tg_doc_string(n->doc, label))) {
        tg_doc_remove(n->doc, name, n->why);
    } else {
        steps_report(n, name, "key_and_label",
                     TG_STR("differs from \"label\": keep only the right one"),
                     TG_STR("与 label 不一致: 只能保留正确的一个"));
    }
}

static void all_keys(struct tg_normal *n)
{
    each_element(n, TG_PARAMETER, key_to_label);
}

static void number_to_string(struct tg_normal *n, uint32_t element)
{
    uint32_t value = value_of(n, TG_PARAMETER, element, TG_PARAMETER_VALUE);
    struct tg_str text;

    if (value == TG_NONE || tg_doc_type(n->doc, value) != TG_NUMBER)
        return;
    text = tg_arena_quote(n->request->arena, tg_doc_text(n->doc, value));
    tg_doc_replace(n->doc, value, TG_STRING, text, n->why);
}

static void all_numbers(struct tg_normal *n)
{
    each_element(n, TG_PARAMETER, number_to_string);
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
    if (!is_name || names_this_config(n, tg_doc_value(n->doc, name))) {
        tg_doc_remove(n->doc, name, n->why);
        return;
    }
    steps_report(n, name, "response_name",
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
    for (uint32_t m = tg_doc_first(n->doc, n->config); m != TG_NONE; m = next) {
        const struct tg_contract_member *row = tg_contract_row(n->doc, tg_contract_config, m);

        next = tg_doc_next(n->doc, m);
        if (row != NULL && (row->flags & TG_CONTRACT_RESPONSE))
            drop_response_member(n, m, row);
    }
    steps_look_up(n);
}

/* --- defaults --- */

bool tg_normal_expand(const struct tg_request *r, struct tg_str text, struct tg_str *out)
{
    const struct {
        struct tg_str name, value;
    } names[] = {{TG_STR("{project_id}"), r->project_id},
                 {TG_STR("{config_name}"), r->config_name}};
    struct tg_buf b = {0};
    bool known = true;

    while (text.n > 0 && known) {
        size_t n = 0;

        for (size_t i = 0; i < 2 && n == 0; i++) {
            if (!tg_str_starts(text, names[i].name))
                continue;
            n = names[i].name.n;
            tg_buf_add(&b, names[i].value);
            known = names[i].value.n > 0;
        }
        if (n == 0 && text.p[0] == '{')
            known = false;
        else if (n == 0)
            tg_buf_putc(&b, text.p[n++]);
        text = tg_str_skip(text, n);
    }
    *out = tg_arena_dup(r->arena, tg_buf_str(&b));
    tg_buf_end(&b);
    return known;
}

/* Gives a member a value where it has none. null and "" are there, but count as absent. */
static void steps_fill(struct tg_normal *n, const struct tg_contract_member *row,
                       struct tg_str text)
{
    uint32_t node = tg_doc_member(n->doc, n->config, tg_str_of(row->name));
    enum tg_node_type type = row->type == TG_CONTRACT_INTEGER ? TG_NUMBER : TG_STRING;

    if (node == TG_NONE) {
        tg_doc_add(n->doc, n->config, tg_str_of(row->name), type, text, n->why);
        steps_look_up(n);
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
        steps_fill(n, d->member, tg_buf_str(&json));
        tg_buf_end(&json);
    }
}

/* An engine runs code of one's own; built-in algorithms and custom images bring theirs. */
static void engine_default(struct tg_normal *n)
{
    if ((has(n, TG_APP_URL) || has(n, TG_BOOT_FILE_URL)) && !has(n, TG_MODEL_ID) &&
        !has(n, TG_USER_IMAGE_URL))
        steps_fill(n, &tg_contract_config[TG_ENGINE_ID], TG_STR("1"));
}

/* --- OBS paths: cut and added to at the ends; what stands between stays as it is spelt --- */

/* Behind how many bytes of a string's JSON text its first `chars` characters are (all ASCII). What
 * follows stays spelt as it is, escapes included. */
static size_t raw_length(struct tg_str text, size_t chars)
{
    size_t at = 1; /* the quote */

    for (; chars > 0; chars--)
        at += text.p[at] != '\\' ? 1 : text.p[at + 1] == 'u' ? 6 : 2;
    CHECK(at < text.n);
    return at;
}

static void drop_scheme(struct tg_normal *n, uint32_t node)
{
    static const struct tg_str schemes[] = {{"obs://", 6}, {"s3://", 5}};
    struct tg_str value, text;

    if (node == TG_NONE || tg_doc_type(n->doc, node) != TG_STRING)
        return;
    value = tg_doc_string(n->doc, node);
    if (value.n > 0 && value.p[0] == '/')
        return; /* most are paths already */
    text = tg_doc_text(n->doc, node);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t chars = schemes[i].n;

        /* "s3:///x" names no bucket: left to the rules */
        if (!tg_str_starts(value, schemes[i]) || value.n == chars || value.p[chars] == '/')
            continue;
        text = tg_str_skip(text, raw_length(text, chars));
        text = tg_arena_printf(n->request->arena, "\"/%.*s", TG_STR_ARG(text));
        tg_doc_replace(n->doc, node, TG_STRING, text, n->why);
        return;
    }
}

static void drop_scheme_in_source(struct tg_normal *n, uint32_t element)
{
    drop_scheme(n, value_of(n, TG_DATA_SOURCE, element, TG_SOURCE_DATA_URL));
}

static void obs_scheme(struct tg_normal *n)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++)
        if (tg_contract_config[i].flags & TG_CONTRACT_OBS)
            drop_scheme(n, n->member[i]);
    each_element(n, TG_DATA_SOURCE, drop_scheme_in_source);
}

static void directory_slash(struct tg_normal *n)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++) {
        struct tg_str text;
        uint32_t node = n->member[i];

        if (!(tg_contract_config[i].flags & TG_CONTRACT_DIRECTORY) || node == TG_NONE ||
            tg_doc_type(n->doc, node) != TG_STRING)
            continue;
        text = tg_doc_string(n->doc, node);
        if (!tg_str_starts(text, TG_STR("/")) || tg_str_ends(text, TG_STR("/")))
            continue;
        text = tg_doc_text(n->doc, node);
        text = tg_arena_printf(n->request->arena, "%.*s/\"", (int)text.n - 1, text.p);
        tg_doc_replace(n->doc, node, TG_STRING, text, n->why);
    }
}

/* --- nulls --- */

/* Each change is recorded with its pointer, and under long names of outer members the pointers
 * would be longer than any body: so many bytes of them for each byte of the text are enough. */
enum { NULL_BYTES_MAX = 16 };

static bool has_too_many_nulls(const struct tg_normal *n)
{
    return n->null_bytes / NULL_BYTES_MAX > n->doc->text.n;
}

/* Recursion is bounded by the depth the document was read with. */
static void drop_nulls_in(struct tg_normal *n, uint32_t container)
{
    uint32_t next;

    for (uint32_t c = tg_doc_first(n->doc, container); c != TG_NONE && !has_too_many_nulls(n);
         c = next) {
        bool is_name = tg_doc_type(n->doc, c) == TG_NAME;
        uint32_t value = is_name ? tg_doc_value(n->doc, c) : c;

        next = tg_doc_next(n->doc, c);
        if (is_name && is_null(n, value)) {
            tg_doc_remove(n->doc, c, n->why);
            n->null_bytes += n->doc->last_change->pointer.n;
        } else if (tg_doc_first(n->doc, value) != TG_NONE) {
            drop_nulls_in(n, value);
        }
    }
}

static void drop_nulls(struct tg_normal *n)
{
    drop_nulls_in(n, n->config);
    steps_look_up(n);
    if (has_too_many_nulls(n))
        steps_report(n, n->config, "limit",
                     TG_STR("has too many nulls under long names: leave them out"),
                     TG_STR("长名称之下的 null 过多: 应去掉"));
}

const struct tg_normal_step tg_normal_steps[TG_NORMAL_STEPS] = {
    {"key_to_label", true, all_keys},
    {"number_to_string", true, all_numbers},
    {"string_to_integer", true, string_to_integer},
    {"drop_response_members", true, drop_response_members},
    {"normalize_default", true, fill_defaults},
    {"obs_scheme", true, obs_scheme},
    {"directory_slash", false, directory_slash},
    {"engine_default", false, engine_default},
    {"drop_nulls", false, drop_nulls},
};
