/*
 * What a client and the audit log are told about a rule that did not hold: the rule's message (or
 * the test in words) and the value seen, unless that may be a secret.
 */
#include "audit/redact.h"
#include "base/chars.h"
#include "base/check.h"
#include "policy/policy.h"

enum { SHOWN = 64 /* code points of a value */, SECRET_LENGTH = 16 };

/* --- secrets --- */

/* The member a value belongs to: the name of its nearest member, or empty. */
static struct tg_str member_name(const struct tg_doc *d, uint32_t node)
{
    while (node != TG_NONE && tg_doc_parent(d, node) != TG_NONE &&
           tg_doc_type(d, tg_doc_parent(d, node)) != TG_NAME)
        node = tg_doc_parent(d, node);
    if (node == TG_NONE || tg_doc_parent(d, node) == TG_NONE)
        return (struct tg_str){NULL, 0};
    return tg_doc_string(d, tg_doc_parent(d, node));
}

/* The object a value is a member of, or TG_NONE. */
static uint32_t object_of(const struct tg_doc *d, uint32_t node)
{
    uint32_t parent = tg_doc_parent(d, node);

    if (parent == TG_NONE || tg_doc_type(d, parent) != TG_NAME)
        return TG_NONE;
    return tg_doc_parent(d, parent);
}

/* Keys and tokens are long words with letters and digits in them. */
static bool looks_random(struct tg_str text)
{
    bool letter = false;
    bool digit = false;

    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];

        letter = letter || tg_char_is(ch, TG_CHAR_LETTER);
        digit = digit || tg_char_is(ch, TG_CHAR_DIGIT);
        if (ch <= ' ')
            return false;
    }
    return text.n >= SECRET_LENGTH && letter && digit;
}

/* True when the label beside a parameter's value names a secret. */
static bool label_is_secret(const struct tg_doc *d, uint32_t node)
{
    uint32_t object = object_of(d, node);
    uint32_t label = object != TG_NONE ? tg_doc_member(d, object, TG_STR("label")) : TG_NONE;

    return label != TG_NONE && tg_doc_type(d, label) == TG_STRING &&
           tg_redact_secret_name(tg_doc_string(d, label));
}

/* True when the value is not to be told: commands, values of secret names, what looks like a key,
 * and what a rule about contents (`not_matches`) found in a parameter. */
static bool is_hidden(const struct tg_doc *d, const struct tg_policy_fault *f)
{
    uint32_t node = f->value.node;
    struct tg_str name = member_name(d, node);
    bool label = tg_str_eq(name, TG_STR("label"));
    bool parameter = label || tg_str_eq(name, TG_STR("value"));

    if (tg_str_eq(name, TG_STR("user_command")))
        return true;
    if (!parameter)
        return tg_redact_secret_name(name);
    return looks_random(tg_doc_text(d, node)) ||
           (!label && (label_is_secret(d, node) || tg_policy_test_is(f->test, "not_matches")));
}

/* --- the value --- */

/* At most so many characters of a text, and whether there is more. */
static struct tg_str shorten(struct tg_str text, bool *more)
{
    size_t n = 0;
    unsigned characters = 0;

    while (n < text.n && (characters < SHOWN || ((unsigned char)text.p[n] & 0xc0) == 0x80)) {
        characters += ((unsigned char)text.p[n] & 0xc0) != 0x80;
        n++;
    }
    *more = n < text.n;
    return (struct tg_str){text.p, n};
}

static void write_scalar(struct tg_buf *out, const struct tg_doc *d, uint32_t node)
{
    bool string = tg_doc_type(d, node) == TG_STRING;
    bool more;
    struct tg_str text = shorten(string ? tg_doc_string(d, node) : tg_doc_text(d, node), &more);

    tg_buf_printf(out, "%s%.*s%s%s", string ? "\"" : "", TG_STR_ARG(text), more ? "..." : "",
                  string ? "\"" : "");
}

/* English and Chinese beside each other. */
struct words {
    const char *en;
    const char *zh;
};

static const struct words *type_words(enum tg_node_type type)
{
    static const struct words object = {"an object", "对象"};
    static const struct words array = {"an array", "数组"};

    return type == TG_OBJECT ? &object : type == TG_ARRAY ? &array : NULL;
}

/* " (got 8)", or nothing when there is no value. */
static void write_seen(struct tg_buf *out, const struct tg_doc *d, const struct tg_policy_fault *f,
                       bool zh)
{
    const struct words *type;

    if (f->value.found == TG_FOUND_MISSING)
        return;
    type = type_words(tg_doc_type(d, f->value.node));
    tg_buf_puts(out, zh ? " (实际为 " : " (got ");
    if (type != NULL)
        tg_buf_puts(out, zh ? type->zh : type->en);
    else if (f->test != NULL && is_hidden(d, f))
        tg_buf_puts(out, zh ? "一个不予显示的值" : "a value that is not shown");
    else
        write_scalar(out, d, f->value.node);
    tg_buf_putc(out, ')');
}

/* --- the message --- */

static void write_demand(struct tg_buf *out, const struct tg_policy_outcome *o,
                         const struct tg_policy_fault *f, bool zh)
{
    const struct tg_policy_rule *r = o->rule;
    struct tg_str own = zh && r->message_zh.n > 0 ? r->message_zh : r->message;

    if (o->result == TG_RULE_ERROR && f->test != NULL)
        tg_buf_puts(out, zh ? "无法判断: " : "could not be judged: ");
    if (own.n > 0)
        tg_buf_add(out, own);
    else if (f->test != NULL)
        tg_policy_test_words(f->test, zh, out);
    else
        tg_buf_puts(out, zh ? "类型不符合策略" : "is of a type that the policy cannot judge");
}

static struct tg_str message(struct tg_request *r, const struct tg_policy_outcome *o,
                             const struct tg_policy_fault *f, bool zh)
{
    struct tg_buf text = {0};
    struct tg_str kept;

    write_demand(&text, o, f, zh);
    write_seen(&text, r->doc, f, zh);
    kept = tg_arena_dup(r->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return kept;
}

/* The pointer of a value, also of one that is missing. Names of rules need no escapes but "~" and
 * "/" (RFC 6901 section 3). */
static struct tg_str pointer_of(struct tg_request *r, const struct tg_policy_value *v)
{
    struct tg_str at = tg_doc_pointer(r->doc, v->node);
    struct tg_buf text = {0};
    struct tg_str kept;

    if (v->found != TG_FOUND_MISSING)
        return at;
    tg_buf_add(&text, at);
    tg_buf_putc(&text, '/');
    for (size_t i = 0; i < v->name.n; i++) {
        if (v->name.p[i] == '~' || v->name.p[i] == '/')
            tg_buf_puts(&text, v->name.p[i] == '~' ? "~0" : "~1");
        else
            tg_buf_putc(&text, v->name.p[i]);
    }
    kept = tg_arena_dup(r->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return kept;
}

static void add_finding(struct tg_request *r, const struct tg_policy_outcome *o,
                        const struct tg_policy_fault *f)
{
    const struct tg_finding finding = {
        .severity = o->denies ? TG_VIOLATION : TG_WARNING,
        .rule = o->rule->name.p,
        .policy = o->policy->name,
        .error = TG_E_POLICY,
        .pointer = pointer_of(r, &f->value),
        .offset = tg_doc_offset(r->doc, f->value.node),
        .message = message(r, o, f, false),
        .message_zh = message(r, o, f, true),
    };

    tg_report_add(&r->report, &finding);
}

/* What did not hold, of whatever mode, is on record; what the client hears is a finding too. Not
 * inlined: most rules hold, and need none of its stack. */
__attribute__((noinline)) static void report(struct tg_request *r,
                                             const struct tg_policy_outcome *o)
{
    struct tg_policy_result result;

    CHECK(o->nfaults > 0);
    result = (struct tg_policy_result){
        .policy = o->policy->name,
        .rule = o->rule->name,
        .result = o->result,
        .mode = tg_str_of(tg_policy_mode_word(o->rule->mode)),
        .exception = o->exception != NULL ? o->exception->name : (struct tg_str){NULL, 0},
        .pointer = pointer_of(r, &o->faults[0].value),
        .message = message(r, o, &o->faults[0], false),
    };
    tg_report_result(&r->report, &result);
    if (o->denies || o->warns)
        for (unsigned i = 0; i < o->nfaults; i++)
            add_finding(r, o, &o->faults[i]);
}

void tg_policy_report(void *context, const struct tg_policy_outcome *o)
{
    if (o->result != TG_RULE_PASS && (o->result != TG_RULE_SKIP || o->exception != NULL))
        report(context, o);
}
