/*
 * What a client and the audit log are told about a rule that did not hold: the rule's message (or
 * the test in words) and, apart from it, the value seen.
 */
#include "base/check.h"
#include "chain/secret_names.h"
#include "policy/policy.h"

enum { SHOWN = 64 }; /* code points of a value */

/* --- secrets --- */

/* What a rule about contents found in a parameter is not shown either. */
static bool is_secret(const struct tg_doc *d, const struct tg_policy_fault *f)
{
    return tg_secret_value(d, f->value.node) ||
           (f->test != NULL && tg_policy_test_is(f->test, "not_matches") &&
            tg_secret_in_parameter(d, f->value.node));
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

/* True when the fault is about a value of the request's document. */
static bool has_node(const struct tg_policy_fault *f)
{
    return (f->value.found == TG_FOUND_VALUE || f->value.found == TG_FOUND_OTHER) &&
           f->value.path == NULL;
}

/* True when a message shows the fault's value. */
static bool is_shown(const struct tg_doc *d, const struct tg_policy_fault *f)
{
    return has_node(f) && type_words(tg_doc_type(d, f->value.node)) == NULL;
}

/* " (got " before a value, " (got an object)", or nothing when nothing is there. */
static void write_seen(struct tg_buf *out, const struct tg_doc *d, const struct tg_policy_fault *f,
                       bool zh)
{
    const struct words *type;

    if (!has_node(f))
        return;
    type = type_words(tg_doc_type(d, f->value.node));
    tg_buf_puts(out, zh ? " (实际为 " : " (got ");
    if (type != NULL)
        tg_buf_printf(out, "%s)", zh ? type->zh : type->en);
}

/* --- what is not in the document of the request --- */

/* " (got 16)": the catalogue's values are no secrets, those of the old config may be. */
static void write_live(struct tg_buf *out, struct tg_request *r, const struct tg_policy_fault *f,
                       bool zh)
{
    const struct tg_live_value *code = tg_live_read(r, TG_LIVE_SPEC_CODE);
    const struct tg_live_value *each = tg_live_read(r, TG_LIVE_SPEC_GPU_NUM);

    if (f->value.found != TG_FOUND_VALUE || f->value.path->source != TG_SOURCE_LIVE)
        return;
    tg_buf_printf(out, "%s%.*s", zh ? " (实际为 " : " (got ", TG_STR_ARG(f->value.text));
    if (f->value.path->live == TG_LIVE_TOTAL_GPUS && code->state == TG_LIVE_KNOWN &&
        each->state == TG_LIVE_KNOWN)
        tg_buf_printf(out, zh ? ", %.*s 每个 %.*s" : ", %.*s has %.*s each", TG_STR_ARG(code->text),
                      TG_STR_ARG(each->text));
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
    if (f->value.found == TG_FOUND_ALIKE)
        tg_buf_printf(out, zh ? "应写作 \"%.*s\"" : "must be written \"%.*s\"",
                      TG_STR_ARG(f->value.name));
    else if (own.n > 0)
        tg_buf_add(out, own);
    else if (f->test != NULL)
        tg_policy_test_words(f->test, zh, out);
    else
        tg_buf_puts(out, zh ? "类型不符合策略" : "is of a type that the policy cannot judge");
}

static struct tg_str message_keep(struct tg_request *r, struct tg_buf *text)
{
    struct tg_str kept = tg_arena_dup(r->arena, tg_buf_str(text));

    tg_buf_end(text);
    return kept;
}

static struct tg_message message(struct tg_request *r, const struct tg_policy_outcome *o,
                                 const struct tg_policy_fault *f, bool zh)
{
    struct tg_buf before = {0};

    if (f->value.path != NULL)
        tg_buf_printf(&before, "%.*s ", TG_STR_ARG(f->value.path->text));
    write_demand(&before, o, f, zh);
    if (f->value.path != NULL)
        write_live(&before, r, f, zh);
    else
        write_seen(&before, r->doc, f, zh);
    return (struct tg_message){message_keep(r, &before),
                               is_shown(r->doc, f) ? TG_STR(")") : (struct tg_str){NULL, 0}};
}

/* The value of a fault, if its message shows one. */
static struct tg_message_value value_of(struct tg_request *r, const struct tg_policy_fault *f)
{
    uint32_t node = f->value.node;
    struct tg_message_value v = {.node = node};
    struct tg_buf text = {0};

    if (!is_shown(r->doc, f))
        return v;
    write_scalar(&text, r->doc, node);
    v.text = message_keep(r, &text);
    v.secret = is_secret(r->doc, f);
    return v;
}

/* True when a value, or the lack of it, has a place in the document of the request. */
static bool has_place(const struct tg_policy_value *v)
{
    return v->path == NULL && v->found != TG_FOUND_REQUEST && v->found != TG_FOUND_UNKNOWN;
}

/* The pointer of a value, also of one that is missing. Names of rules need no escapes but "~" and
 * "/" (RFC 6901 section 3). */
static struct tg_str pointer_of(struct tg_request *r, const struct tg_policy_value *v)
{
    struct tg_buf text = {0};
    struct tg_str at;

    if (!has_place(v))
        return (struct tg_str){NULL, 0};
    at = tg_doc_pointer(r->doc, v->node);
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
    return message_keep(r, &text);
}

static void message_add_finding(struct tg_request *r, const struct tg_policy_outcome *o,
                                const struct tg_policy_fault *f)
{
    const struct tg_finding finding = {
        .severity = o->denies ? TG_VIOLATION : TG_WARNING,
        .rule = o->rule->name.p,
        .policy = o->policy->name,
        .error = TG_E_POLICY,
        .pointer = pointer_of(r, &f->value),
        .offset = has_place(&f->value) ? tg_doc_offset(r->doc, f->value.node) : TG_NONE,
        .message = message(r, o, f, false),
        .message_zh = message(r, o, f, true),
        .value = value_of(r, f),
    };

    tg_report_add(&r->report, &finding);
}

/* What did not hold, of whatever mode, is on record; what the client hears is a finding too. Not
 * inlined: most rules hold, and need none of its stack. */
__attribute__((noinline)) static void message_report(struct tg_request *r,
                                                     const struct tg_policy_outcome *o)
{
    struct tg_policy_result result;

    CHECK(o->nfaults > 0);
    result = (struct tg_policy_result){
        .policy = o->policy->name,
        .rule = o->rule->name,
        .result = o->result,
        .mode = tg_str_of(tg_policy_mode_word(o->rule->mode)),
        .pointer = pointer_of(r, &o->faults[0].value),
        .message = message(r, o, &o->faults[0], false),
        .value = value_of(r, &o->faults[0]),
    };
    if (o->exception != NULL) {
        result.exception = o->exception->name;
        result.owner = o->exception->owner;
        result.ticket = o->exception->ticket;
        result.last_day = o->exception->expires;
    }
    tg_report_result(&r->report, &result);
    if (o->denies || o->warns)
        for (unsigned i = 0; i < o->nfaults; i++)
            message_add_finding(r, o, &o->faults[i]);
}

void tg_policy_report(void *context, const struct tg_policy_outcome *o)
{
    if (o->result != TG_RULE_PASS && (o->result != TG_RULE_SKIP || o->exception != NULL))
        message_report(context, o);
}

/* Where the first value stands that did not hold, or why nothing was asked of any. */
void tg_policy_trace(struct tg_request *r, const struct tg_policy_outcome *o)
{
    const char *place = o->rule->item->file;
    struct tg_str at = o->nfaults > 0 ? pointer_of(r, &o->faults[0].value) : TG_STR("");

    TG_TRACE(r, "policy %s, rule %s (%s:%u): %s%s%s%s%.*s%s%s", o->policy->name.p, o->rule->name.p,
             place, o->rule->item->line, tg_rule_result_word(o->result),
             o->exception != NULL ? ", exception " : "",
             o->exception != NULL ? o->exception->name.p : "", o->nfaults > 0 ? " at \"" : "",
             TG_STR_ARG(at), o->nfaults > 0 ? "\", mode " : "",
             o->nfaults > 0              ? tg_policy_mode_word(o->rule->mode)
             : o->result == TG_RULE_SKIP ? ", nothing stands there"
                                         : "");
}
