/* Which names and places hide their values, and what is written instead. */
#include "audit/redact.h"

#include "base/check.h"

enum { SHOWN_HEX = 32 }; /* digits of a redacted value: 128 bits */

void tg_redact_init(struct tg_redact *r, const struct tg_audit_conf *conf)
{
    CHECK(conf->checked);
    *r = (struct tg_redact){.conf = conf};
    r->hash = tg_hash_new((struct tg_str){(const char *)conf->salt, sizeof(conf->salt)});
    r->callers = tg_token_cache_new();
    tg_names_init(&r->names, conf);
}

void tg_redact_end(struct tg_redact *r)
{
    tg_token_cache_end(r->callers);
    r->callers = NULL;
    tg_hash_end(r->hash);
    r->hash = NULL;
}

/* --- names --- */

bool tg_redact_name(struct tg_redact *r, struct tg_str name)
{
    return (tg_names_look(&r->names, name) & TG_NAME_MATCHES) != 0;
}

bool tg_redact_secret_name(struct tg_str name)
{
    struct tg_str patterns[TG_AUDIT_DEFAULT_REDACT];
    struct tg_audit_conf conf = {.redact = patterns};

    while (tg_audit_default_redact[conf.nredact] != NULL) {
        CHECK(conf.nredact < TG_AUDIT_DEFAULT_REDACT);
        patterns[conf.nredact] = tg_str_of(tg_audit_default_redact[conf.nredact]);
        conf.nredact++;
    }
    return tg_name_matches(&conf, name);
}

/* --- places --- */

/* True when the member `value` of this object goes by a name that matches. */
static bool value_is_named(struct tg_redact *r, const struct tg_doc *doc, uint32_t object)
{
    for (size_t i = 0; i < TG_NAMING_MEMBERS; i++) {
        uint32_t node = tg_doc_member(doc, object, tg_naming_members[i]);

        if (node != TG_NONE && tg_doc_type(doc, node) == TG_STRING &&
            tg_redact_name(r, tg_doc_string(doc, node)))
            return true;
    }
    return false;
}

/* True when the value of a member must not be told because of names alone; `facts` of its own. */
static bool member_hidden(struct tg_redact *r, const struct tg_doc *doc, uint32_t object,
                          unsigned facts)
{
    if ((facts & (TG_NAME_MATCHES | TG_NAME_NAMES | TG_NAME_VALUE)) == 0)
        return false; /* so are most */
    if ((facts & TG_NAME_NAMES) != 0 && tg_doc_member(doc, object, TG_STR("value")) != TG_NONE)
        return false;
    return (facts & TG_NAME_MATCHES) != 0 ||
           ((facts & TG_NAME_VALUE) != 0 && value_is_named(r, doc, object));
}

/* Takes the first segment off a pointer. Pointers with escapes name no place we know: their text
 * still matches patterns well enough, '~' ends a word. */
static struct tg_str next_segment(struct tg_str *pointer)
{
    struct tg_str s = tg_str_skip(*pointer, 1);
    const char *slash = memchr(s.p, '/', s.n);

    if (slash != NULL)
        s.n = (size_t)(slash - s.p);
    *pointer = tg_str_skip(*pointer, s.n + 1);
    return s;
}

static uint32_t element(const struct tg_doc *doc, uint32_t array, struct tg_str index)
{
    uint64_t i;
    uint32_t node = tg_doc_first(doc, array);

    if (!tg_str_u64(index, &i))
        return TG_NONE;
    while (i-- > 0 && node != TG_NONE)
        node = tg_doc_next(doc, node);
    return node;
}

static uint32_t step(const struct tg_doc *doc, uint32_t node, struct tg_str segment)
{
    if (node == TG_NONE)
        return TG_NONE;
    if (tg_doc_type(doc, node) == TG_OBJECT)
        return tg_doc_member(doc, node, segment);
    return tg_doc_type(doc, node) == TG_ARRAY ? element(doc, node, segment) : TG_NONE;
}

/* What the body levels below `full` leave out, wherever in the body the config stands: all of
 * user_command, and of parameter all but the names of its elements. */
static bool level_hides(struct tg_str pointer)
{
    unsigned within = 0; /* segments since `parameter` */
    struct tg_str segment = {NULL, 0};

    while (pointer.n > 0 && *pointer.p == '/') {
        segment = next_segment(&pointer);
        if (tg_str_eq(segment, TG_STR("user_command")))
            return true;
        if (within > 0 || tg_str_eq(segment, TG_STR("parameter")))
            within++;
    }
    return within > 0 && !(within == 3 && tg_name_is_naming(segment));
}

static bool level_is_enough(const struct tg_redact *r, struct tg_str pointer)
{
    return r->conf->body == TG_AUDIT_BODY_NONE ||
           (r->conf->body == TG_AUDIT_BODY_METADATA && level_hides(pointer));
}

/* True when names hide what a segment leads to; `node` is where it starts. */
static bool segment_hidden(struct tg_redact *r, const struct tg_doc *doc, uint32_t node,
                           struct tg_str segment)
{
    unsigned facts = tg_names_look(&r->names, segment);

    if (node != TG_NONE && tg_doc_type(doc, node) == TG_OBJECT)
        return member_hidden(r, doc, node, facts);
    return (facts & (TG_NAME_NAMES | TG_NAME_MATCHES)) == TG_NAME_MATCHES;
}

bool tg_redact_pointer(struct tg_redact *r, const struct tg_doc *doc, struct tg_str pointer)
{
    uint32_t node = doc != NULL ? 0 : TG_NONE;

    if (level_is_enough(r, pointer))
        return true;
    while (pointer.n > 0 && *pointer.p == '/') {
        struct tg_str segment = next_segment(&pointer);

        if (segment_hidden(r, doc, node, segment))
            return true;
        node = step(doc, node, segment);
    }
    return false;
}

/* The containers around a node, from the outside in. */
static unsigned containers(const struct tg_doc *doc, uint32_t node, uint32_t out[TG_JSON_MAX_DEPTH])
{
    unsigned n = 0;
    unsigned at;

    for (uint32_t up = tg_doc_parent(doc, node); up != TG_NONE; up = tg_doc_parent(doc, up))
        n += tg_doc_type(doc, up) != TG_NAME;
    CHECK(n <= TG_JSON_MAX_DEPTH);
    at = n;
    for (uint32_t up = tg_doc_parent(doc, node); up != TG_NONE; up = tg_doc_parent(doc, up))
        if (tg_doc_type(doc, up) != TG_NAME)
            out[--at] = up;
    return n;
}

bool tg_redact_change(struct tg_redact *r, const struct tg_doc *doc, const struct tg_change *change,
                      struct tg_redact_path *path)
{
    uint32_t around[TG_JSON_MAX_DEPTH];
    struct tg_str pointer = change->pointer;
    bool hidden = false;
    unsigned n;

    if (level_is_enough(r, pointer))
        return true;
    n = containers(doc, change->node, around);
    for (unsigned i = 0; i < n; i++) {
        struct tg_str segment;

        if (i >= path->n || path->at[i].node != around[i]) {
            path->at[i].node = around[i];
            path->at[i].hidden = hidden;
            path->n = i + 1;
        }
        segment = next_segment(&pointer);
        hidden = i + 1 < path->n && i + 1 < n && path->at[i + 1].node == around[i + 1]
                     ? path->at[i + 1].hidden
                     : path->at[i].hidden || segment_hidden(r, doc, around[i], segment);
    }
    CHECK(pointer.n == 0);
    return hidden;
}

/* --- texts --- */

void tg_redact_digest(struct tg_redact *r, struct tg_buf *out, struct tg_str value)
{
    unsigned char digest[TG_SHA256];

    tg_hash_hmac(r->hash, &value, 1, digest);
    tg_buf_add(out, TG_STR("hmac-sha256:"));
    tg_hex(digest, SHOWN_HEX / 2, tg_buf_room(out, SHOWN_HEX));
    out->n += SHOWN_HEX;
}

void tg_redact_token(struct tg_redact *r, struct tg_buf *out, struct tg_str token)
{
    struct tg_str name = tg_token_cache_find(r->callers, token);
    size_t start = out->n;

    if (name.p != NULL) {
        tg_buf_add(out, name);
        return;
    }
    tg_redact_digest(r, out, token);
    tg_token_cache_keep(r->callers, token, tg_str_skip(tg_buf_str(out), start));
}

void tg_redact_value(struct tg_redact *r, struct tg_buf *out, struct tg_str value)
{
    tg_buf_putc(out, '"');
    tg_redact_digest(r, out, value);
    tg_buf_putc(out, '"');
}

static bool contains(struct tg_str s, struct tg_str part)
{
    return part.n > 0 && memmem(s.p, s.n, part.p, part.n) != NULL;
}

/* The range between the first and the last quote of a kind. */
static bool quoted(struct tg_str s, char quote, size_t *from, size_t *to)
{
    const char *first = memchr(s.p, quote, s.n);
    const char *last = memrchr(s.p, quote, s.n);

    if (first == NULL || first == last)
        return false;
    *from = (size_t)(first - s.p) + 1;
    *to = (size_t)(last - s.p);
    return true;
}

static struct tg_str value_at(const struct tg_doc *doc, struct tg_str pointer)
{
    uint32_t node = doc != NULL ? 0 : TG_NONE;

    while (pointer.n > 0 && *pointer.p == '/')
        node = step(doc, node, next_segment(&pointer));
    if (node == TG_NONE)
        return (struct tg_str){NULL, 0};
    return tg_doc_type(doc, node) == TG_STRING ? tg_doc_string(doc, node) : tg_doc_text(doc, node);
}

void tg_redact_message(struct tg_redact *r, struct tg_buf *out, struct tg_str message,
                       const struct tg_doc *doc, struct tg_str pointer)
{
    struct tg_buf masked = {0};
    struct tg_str value;
    size_t from;
    size_t to;

    if (message.n == 0 || !tg_redact_pointer(r, doc, pointer)) {
        tg_buf_json(out, message);
        return;
    }
    value = value_at(doc, pointer);
    if (quoted(message, '\'', &from, &to) || quoted(message, '"', &from, &to)) {
        tg_buf_add(&masked, (struct tg_str){message.p, from});
        tg_redact_digest(r, &masked, (struct tg_str){message.p + from, to - from});
        tg_buf_add(&masked, tg_str_skip(message, to));
    } else {
        tg_buf_add(&masked, message);
    }
    if (contains(tg_buf_str(&masked), value))
        tg_redact_value(r, out, message);
    else
        tg_buf_json(out, tg_buf_str(&masked));
    tg_buf_end(&masked);
}

/* The length of the JSON string, quotes included, that `s` begins with. */
static size_t string_length(struct tg_str s)
{
    size_t i = 1;

    while (i < s.n && s.p[i] != '"')
        i += s.p[i] == '\\' ? 2 : 1;
    return i < s.n ? i + 1 : s.n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* How much of `s` stands before white space between tokens, or its end. */
static size_t until_space(struct tg_str s)
{
    size_t n = 0;

    while (n < s.n && !is_space(s.p[n]))
        n += s.p[n] == '"' ? string_length(tg_str_skip(s, n)) : 1;
    return n;
}

void tg_redact_compact(struct tg_buf *out, struct tg_str json)
{
    while (json.n > 0) {
        size_t n = until_space(json);

        tg_buf_add(out, (struct tg_str){json.p, n});
        json = tg_str_skip(json, n);
        while (json.n > 0 && is_space(*json.p))
            json = tg_str_skip(json, 1);
    }
}

/* --- bodies --- */

static void add_comma(struct tg_buf *out, char open)
{
    if (out->p[out->n - 1] != open)
        tg_buf_putc(out, ',');
}

/* The names in one element of `parameter`, and nothing else that is in it. */
static void add_parameter(struct tg_buf *out, const struct tg_doc *doc, uint32_t object)
{
    add_comma(out, '[');
    tg_buf_putc(out, '{');
    for (uint32_t m = tg_doc_first(doc, object); m != TG_NONE; m = tg_doc_next(doc, m)) {
        struct tg_str name = tg_doc_string(doc, m);
        uint32_t value = tg_doc_value(doc, m);

        if (!tg_name_is_naming(name) || tg_doc_type(doc, value) != TG_STRING)
            continue;
        add_comma(out, '{');
        tg_buf_json(out, name);
        tg_buf_putc(out, ':');
        tg_buf_add(out, tg_doc_text(doc, value));
    }
    tg_buf_putc(out, '}');
}

static void add_parameters(struct tg_buf *out, const struct tg_doc *doc, uint32_t array)
{
    tg_buf_putc(out, '[');
    for (uint32_t e = tg_doc_first(doc, array); e != TG_NONE; e = tg_doc_next(doc, e))
        if (tg_doc_type(doc, e) == TG_OBJECT)
            add_parameter(out, doc, e);
    tg_buf_putc(out, ']');
}

/* One member at level metadata, where a config may stand within another object; true when that is
 * all there is to tell. */
static bool add_metadata(struct tg_buf *out, const struct tg_doc *doc, unsigned facts,
                         uint32_t value)
{
    if ((facts & TG_NAME_PARAMETER) != 0 && tg_doc_type(doc, value) == TG_ARRAY) {
        add_comma(out, '{');
        tg_buf_puts(out, "\"parameter\":");
        add_parameters(out, doc, value);
    }
    return (facts & (TG_NAME_PARAMETER | TG_NAME_COMMAND)) != 0;
}

/* The name of a member with its colon, and the comma before it. */
static void add_name(struct tg_buf *out, struct tg_str name, bool plain)
{
    char *p;

    add_comma(out, '{');
    if (!plain) {
        tg_buf_json(out, name);
        tg_buf_putc(out, ':');
        return;
    }
    p = tg_buf_room(out, name.n + 3);
    *p++ = '"';
    memcpy(p, name.p, name.n);
    p[name.n] = '"';
    p[name.n + 1] = ':';
    out->n += name.n + 3;
}

static void add_container(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                          uint32_t node);

/* Most values are no containers: no call for them. */
static inline void add_value(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                             uint32_t node)
{
    if (tg_doc_type(doc, node) == TG_OBJECT || tg_doc_type(doc, node) == TG_ARRAY)
        add_container(r, out, doc, node);
    else
        tg_buf_add(out, tg_doc_text(doc, node));
}

static void add_members(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                        uint32_t object)
{
    bool brief = r->conf->body == TG_AUDIT_BODY_METADATA;

    for (uint32_t m = tg_doc_first(doc, object); m != TG_NONE; m = tg_doc_next(doc, m)) {
        struct tg_str name = tg_doc_string(doc, m);
        unsigned facts = tg_names_look(&r->names, name);
        uint32_t value = tg_doc_value(doc, m);

        CHECK(value != TG_NONE);
        if (brief && add_metadata(out, doc, facts, value))
            continue;
        add_name(out, name, (facts & TG_NAME_IS_PLAIN) != 0);
        if (member_hidden(r, doc, object, facts))
            tg_redact_value(r, out, tg_doc_text(doc, value));
        else
            add_value(r, out, doc, value);
    }
}

static void add_elements(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                         uint32_t array)
{
    for (uint32_t e = tg_doc_first(doc, array); e != TG_NONE; e = tg_doc_next(doc, e)) {
        add_comma(out, '[');
        add_value(r, out, doc, e);
    }
}

static void add_container(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                          uint32_t node)
{
    bool object = tg_doc_type(doc, node) == TG_OBJECT;

    tg_buf_putc(out, object ? '{' : '[');
    if (object)
        add_members(r, out, doc, node);
    else
        add_elements(r, out, doc, node);
    tg_buf_putc(out, object ? '}' : ']');
}

void tg_redact_body(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                    uint32_t node)
{
    CHECK(r->conf->body != TG_AUDIT_BODY_NONE);
    add_value(r, out, doc, node);
}
