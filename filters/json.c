/* `json`: the body as a document. Everything behind it relies on exact JSON. */
#include "base/chars.h"
#include "base/check.h"
#include "contract/contract.h"

struct json_conf {
    int64_t max_depth;
    int64_t max_tokens;
    struct tg_str config_at; /* RFC 6901; empty: the whole body */
};

static bool set_config_at(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    struct json_conf *conf = target;
    struct tg_str pointer = item->args[1];

    (void)d;
    if (pointer.n > 0 && pointer.p[0] != '/') {
        tg_conf_error(c, item,
                      "\"config_at\" takes a JSON pointer such as \"/config\" or \"\", got \"%s\"",
                      pointer.p);
        return false;
    }
    conf->config_at = pointer;
    return true;
}

static const struct tg_directive directives[] = {
    {.name = "json_max_depth",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_NUMBER,
     .offset = offsetof(struct json_conf, max_depth),
     .min = 1,
     .max = TG_JSON_MAX_DEPTH,
     .fallback = "64",
     .syntax = "NUMBER",
     .help = "How deep objects and arrays of a body may be nested."},
    {.name = "json_max_tokens",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_NUMBER,
     .offset = offsetof(struct json_conf, max_tokens),
     .min = 1,
     .max = 10000000,
     .fallback = "100000",
     .syntax = "NUMBER",
     .help = "How many values and member names a body may have."},
    {.name = "config_at",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = 1,
     .syntax = "POINTER",
     .help =
         "Where in the body the config object is, as a JSON pointer (RFC 6901), such as /config "
         "in what a training job is created with. Without it, or as \"\": the whole body.",
     .set = set_config_at},
    {.name = NULL},
};

/* RFC 8259 section 8.1: JSON is UTF-8. A server that believes another charset would read another
 * text: in GBK the backslash before a quote may be the second half of a character. */
static bool is_utf8(struct tg_str parameters)
{
    static const struct tg_str word = {"charset", 7};

    for (; parameters.n >= word.n; parameters = tg_str_skip(parameters, 1)) {
        struct tg_str value = tg_str_skip(parameters, word.n);
        const char *semicolon = value.n > 0 ? memchr(value.p, ';', value.n) : NULL;

        if (!tg_str_ieq((struct tg_str){parameters.p, word.n}, word))
            continue;
        value.n = semicolon != NULL ? (size_t)(semicolon - value.p) : value.n;
        value = tg_str_trim(value);
        if (!tg_str_ieq(value, TG_STR("=utf-8")) && !tg_str_ieq(value, TG_STR("=utf8")) &&
            !tg_str_ieq(value, TG_STR("=\"utf-8\"")) && !tg_str_ieq(value, TG_STR("=\"utf8\"")))
            return false;
    }
    return true;
}

/* What the fields say of the body. */
struct media {
    struct tg_str type; /* RFC 9110 section 8.3; empty: no Content-Type, or more than one */
    unsigned types;
    bool partial; /* a part that some server puts into what it has (section 14.5): judged is all */
    bool encoded; /* what the bytes say is not what the service reads: a coding stands between */
};

static void look_at_field(struct media *m, const struct tg_field *f)
{
    if (tg_str_ieq(f->name, TG_STR("Content-Type")))
        m->type = m->types++ == 0 ? f->value : (struct tg_str){NULL, 0};
    else if (tg_str_ieq(f->name, TG_STR("Content-Range")))
        m->partial = true;
    else if (tg_str_ieq(f->name, TG_STR("Content-Encoding")) &&
             !tg_str_ieq(tg_str_trim(f->value), TG_STR("identity")))
        m->encoded = true;
}

static enum tg_verdict check_media(struct tg_request *r, const void *conf)
{
    static const unsigned lengths = 1U << 12 | 1U << 13 | 1U << 16; /* of these names */
    struct media m = {0};
    const char *semicolon;
    size_t n;

    (void)conf;
    for (unsigned i = 0; i < r->nfields; i++)
        if (r->fields[i].name.n < 32 && (lengths >> r->fields[i].name.n & 1) != 0)
            look_at_field(&m, &r->fields[i]);
    semicolon = m.type.n > 0 ? memchr(m.type.p, ';', m.type.n) : NULL;
    n = semicolon != NULL ? (size_t)(semicolon - m.type.p) : m.type.n;
    if (m.partial)
        return tg_reply(r, TG_E_BAD_REQUEST, "Content-Range: a body must be whole",
                        "Content-Range: 请求体必须完整");
    if (!tg_str_ieq(tg_str_trim((struct tg_str){m.type.p, n}), TG_STR("application/json")))
        return tg_reply(r, TG_E_MEDIA_TYPE, NULL, NULL);
    if (!is_utf8(tg_str_skip(m.type, n)))
        return tg_reply(r, TG_E_MEDIA_TYPE, "its charset is UTF-8", "字符集必须是 UTF-8");
    return m.encoded ? tg_reply(r, TG_E_ENCODING, NULL, NULL) : TG_NEXT;
}

static const char *rule_of(enum tg_json_fault_kind kind)
{
    static const char *const rules[] = {
        [TG_JSON_SYNTAX] = "json", [TG_JSON_UTF8] = "json",    [TG_JSON_DUPLICATE] = "duplicate",
        [TG_JSON_DEPTH] = "limit", [TG_JSON_TOKENS] = "limit",
    };

    CHECK(kind >= TG_JSON_SYNTAX && kind <= TG_JSON_TOKENS);
    return rules[kind];
}

static void report(struct tg_request *r, const char *rule, struct tg_str pointer, uint32_t offset,
                   const char *message, const char *message_zh)
{
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = rule,
                           .error = tg_contract_rule(rule)->error,
                           .pointer = pointer,
                           .offset = offset,
                           .message.before = tg_str_of(message),
                           .message_zh.before = tg_str_of(message_zh)};

    tg_report_add(&r->report, &f);
}

/* --- what stands around the config --- */

/* What the body's outermost object may call the config, in the requests that create one. */
static const struct tg_str naming[] = {{"config_name", 11}, {"job_name", 8}};

enum { NAMING = sizeof(naming) / sizeof(*naming) };

static void report_spelling(struct tg_request *r, uint32_t name, struct tg_str right)
{
    report(r, "spelling", tg_doc_pointer(r->doc, name), tg_doc_offset(r->doc, name),
           tg_arena_printf(r->arena, "must be written \"%.*s\"", TG_STR_ARG(right)).p,
           tg_arena_printf(r->arena, "应写作 \"%.*s\"", TG_STR_ARG(right)).p);
}

/* A reader that takes "Config" for config would take one that no rule has seen. */
static void check_siblings(struct tg_request *r, uint32_t object, struct tg_str right)
{
    for (uint32_t m = tg_doc_first(r->doc, object); m != TG_NONE; m = tg_doc_next(r->doc, m)) {
        struct tg_str name = tg_doc_string(r->doc, m);

        if (!tg_str_eq(name, right) && tg_contract_reads_alike(name, right))
            report_spelling(r, m, right);
    }
}

/* The objects on the way from the whole body to the config, each with the name that leads on. */
static void check_way(struct tg_request *r)
{
    const struct tg_doc *d = r->doc;

    for (uint32_t at = r->config; at != TG_NONE; at = tg_doc_parent(d, at))
        if (tg_doc_type(d, at) == TG_NAME)
            check_siblings(r, tg_doc_parent(d, at), tg_doc_string(d, at));
    for (size_t i = 0; i < NAMING && r->config != 0; i++)
        check_siblings(r, 0, naming[i]);
}

/* What the router takes for {config_name} (contract section 1): what else stands there names
 * nothing that a policy could know. */
static bool is_name(struct tg_str s)
{
    return s.n >= 1 && s.n <= 64 && tg_chars_are(s, TG_CHAR_NAME);
}

/* Two names that differ leave the config without one that is known. */
static struct tg_str name_in(const struct tg_doc *d)
{
    struct tg_str found = {NULL, 0};

    for (size_t i = 0; i < NAMING; i++) {
        uint32_t value = tg_doc_type(d, 0) == TG_OBJECT ? tg_doc_member(d, 0, naming[i]) : TG_NONE;
        struct tg_str name;

        if (value == TG_NONE || tg_doc_type(d, value) == TG_NULL)
            continue;
        name = tg_doc_type(d, value) == TG_STRING ? tg_doc_string(d, value) : TG_STR("");
        if (!is_name(name) || (found.n > 0 && !tg_str_eq(found, name)))
            return (struct tg_str){NULL, 0};
        found = name;
    }
    return found;
}

/* --- the filter --- */

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct json_conf *c = conf;
    struct tg_json_limits limits = {(uint32_t)c->max_depth, (uint32_t)c->max_tokens};
    struct tg_doc *doc;
    struct tg_json_fault fault;

    (void)state;
    CHECK(r->doc == NULL);
    doc = tg_arena_alloc(r->arena, sizeof(*doc));
    if (!tg_doc_parse(doc, r->arena, r->body, &limits, &fault)) {
        for (const struct tg_json_fault *f = &fault; f != NULL; f = f->next)
            report(r, rule_of(f->kind), f->pointer, f->offset, f->message, f->message_zh);
        return tg_refuse(r);
    }
    r->doc = doc;
    r->config = tg_doc_find(doc, c->config_at);
    if (r->config == TG_NONE) {
        report(r, "config_at", c->config_at, TG_NONE, "is required: the config", "必填: 配置对象");
        return tg_refuse(r);
    }
    if (r->config_name.n == 0)
        r->body_name = name_in(doc);
    check_way(r);
    tg_contract_spelling(r);
    return TG_NEXT; /* violations are told together with those of the filters behind */
}

const struct tg_filter tg_filter_json = {
    .abi = TG_FILTER_ABI,
    .name = "json",
    .help = "Reads the body strictly as JSON (RFC 8259) for the filters behind it.",
    .traits = TG_GIVES_DOCUMENT,
    .directives = directives,
    .conf_size = sizeof(struct json_conf),
    .on_head = check_media,
    .on_request = on_request,
};
