/* Which names and places hide their values, and what is written instead. */
#include "audit_redact.h"

#include "check.h"

enum { SHOWN_HEX = 32 }; /* digits of a redacted value: 128 bits */

void tg_redact_init(struct tg_redact *r, const struct tg_audit_conf *conf)
{
    CHECK(conf->checked);
    *r = (struct tg_redact){.conf = conf};
    r->hash = tg_hash_new((struct tg_str){(const char *)conf->salt, sizeof(conf->salt)});
    r->callers = tg_callers_new();
}

void tg_redact_end(struct tg_redact *r)
{
    tg_callers_end(r->callers);
    r->callers = NULL;
    tg_hash_end(r->hash);
    r->hash = NULL;
}

/* --- names --- */

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80;
}

/* A pattern with stars against a whole name. One star is tried at a time, so the work is bounded by
 * the product of both lengths. */
static bool glob(struct tg_str pattern, struct tg_str name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t from = 0;

    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.n && lower(pattern.p[p]) == lower(name.p[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* True when a new word begins at `i`: fooBar has it at B, HTTPToken at T. */
static bool word_starts(struct tg_str s, size_t i)
{
    if (!is_upper(s.p[i]))
        return false;
    return !is_upper(s.p[i - 1]) || (i + 1 < s.n && is_letter(s.p[i + 1]) && !is_upper(s.p[i + 1]));
}

/* Takes the next word off `*rest`, without digits at its end; false when there is none. */
static bool next_word(struct tg_str *rest, struct tg_str *word)
{
    size_t n = 1;

    while (rest->n > 0 && !is_letter(*rest->p))
        *rest = tg_str_skip(*rest, 1);
    if (rest->n == 0)
        return false;
    while (n < rest->n && (is_letter(rest->p[n]) || is_digit(rest->p[n])) && !word_starts(*rest, n))
        n++;
    *word = (struct tg_str){rest->p, n};
    *rest = tg_str_skip(*rest, n);
    while (is_digit(word->p[word->n - 1]))
        word->n--;
    return true;
}

static bool matches_word(const struct tg_audit_conf *c, struct tg_str word)
{
    for (unsigned i = 0; i < c->nredact; i++)
        if (c->redact[i].n == word.n && lower(*c->redact[i].p) == lower(*word.p) &&
            tg_str_ieq(c->redact[i], word))
            return true;
    return false;
}

static bool matches(const struct tg_audit_conf *c, struct tg_str name)
{
    struct tg_str rest = name;
    struct tg_str word;

    while (next_word(&rest, &word))
        if (matches_word(c, word))
            return true;
    for (unsigned i = 0; i < c->nredact; i++)
        if (glob(c->redact[i], name))
            return true;
    return false;
}

/* Where in the memo a name stands. Its first and last bytes tell it from nearly all others. */
static size_t place_of(struct tg_str name)
{
    uint64_t first = (unsigned char)name.p[0];
    uint64_t last = (unsigned char)name.p[name.n - 1];

    if (name.n >= 8) {
        memcpy(&first, name.p, 8);
        memcpy(&last, name.p + name.n - 8, 8);
    } else if (name.n >= 4) {
        memcpy(&first, name.p, 4);
        memcpy(&last, name.p + name.n - 4, 4);
    }
    /* the upper bits of a product depend on all bits of its factors */
    return ((first + name.n) * 0x9e3779b97f4a7c15 ^ last * 0xc2b2ae3d27d4eb4f) >> 32 &
           (TG_REDACT_MEMO - 1);
}

bool tg_redact_name(struct tg_redact *r, struct tg_str name)
{
    struct tg_redact_memo *memo;

    if (name.n == 0 || name.n > TG_REDACT_NAME)
        return name.n > 0 && matches(r->conf, name);
    memo = &r->memo[place_of(name)];
    if (memo->n != name.n || memcmp(memo->name, name.p, name.n) != 0) {
        memo->n = (uint8_t)name.n;
        memcpy(memo->name, name.p, name.n);
        memo->match = matches(r->conf, name);
    }
    return memo->match;
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
    return name.n > 0 && matches(&conf, name);
}

/* --- places --- */

/* The members whose value is the name of what the member `value` beside them holds. */
static const struct tg_str naming[] = {{"label", 5}, {"key", 3}, {"name", 4}};

static bool is_naming(struct tg_str name)
{
    for (size_t i = 0; i < sizeof(naming) / sizeof(*naming); i++)
        if (tg_str_eq(name, naming[i]))
            return true;
    return false;
}

/* True when the member `value` of this object goes by a name that matches. */
static bool value_is_named(struct tg_redact *r, const struct tg_doc *doc, uint32_t object)
{
    for (size_t i = 0; i < sizeof(naming) / sizeof(*naming); i++) {
        uint32_t node = tg_doc_member(doc, object, naming[i]);

        if (node != TG_NONE && tg_doc_type(doc, node) == TG_STRING &&
            tg_redact_name(r, tg_doc_string(doc, node)))
            return true;
    }
    return false;
}

/* True when the member's value must not be told because of names alone. `named` is whether the
 * object has a naming member. */
static bool member_hidden(struct tg_redact *r, const struct tg_doc *doc, uint32_t object,
                          struct tg_str name)
{
    if (is_naming(name) && tg_doc_member(doc, object, TG_STR("value")) != TG_NONE)
        return false;
    if (tg_redact_name(r, name))
        return true;
    return tg_str_eq(name, TG_STR("value")) && value_is_named(r, doc, object);
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
    uint32_t node = doc->node[array].child;

    if (!tg_str_u64(index, &i))
        return TG_NONE;
    while (i-- > 0 && node != TG_NONE)
        node = doc->node[node].next;
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
    return within > 0 && !(within == 3 && is_naming(segment));
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
    if (node != TG_NONE && tg_doc_type(doc, node) == TG_OBJECT)
        return member_hidden(r, doc, node, segment);
    return !is_naming(segment) && tg_redact_name(r, segment);
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

    for (uint32_t up = doc->node[node].parent; up != TG_NONE; up = doc->node[up].parent)
        n += tg_doc_type(doc, up) != TG_NAME;
    CHECK(n <= TG_JSON_MAX_DEPTH);
    at = n;
    for (uint32_t up = doc->node[node].parent; up != TG_NONE; up = doc->node[up].parent)
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
    struct tg_str name = tg_callers_find(r->callers, token);
    size_t start = out->n;

    if (name.p != NULL) {
        tg_buf_add(out, name);
        return;
    }
    tg_redact_digest(r, out, token);
    tg_callers_keep(r->callers, token, tg_str_skip(tg_buf_str(out), start));
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
    for (uint32_t m = doc->node[object].child; m != TG_NONE; m = doc->node[m].next) {
        struct tg_str name = tg_doc_string(doc, m);
        uint32_t value = doc->node[m].child;

        if (!is_naming(name) || tg_doc_type(doc, value) != TG_STRING)
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
    for (uint32_t e = doc->node[array].child; e != TG_NONE; e = doc->node[e].next)
        if (tg_doc_type(doc, e) == TG_OBJECT)
            add_parameter(out, doc, e);
    tg_buf_putc(out, ']');
}

/* One member at level metadata, where a config may stand within another object; true when that is
 * all there is to tell. */
static bool add_metadata(struct tg_buf *out, const struct tg_doc *doc, struct tg_str name,
                         uint32_t value)
{
    if (tg_str_eq(name, TG_STR("user_command")))
        return true;
    if (!tg_str_eq(name, TG_STR("parameter")))
        return false;
    if (tg_doc_type(doc, value) == TG_ARRAY) {
        add_comma(out, '{');
        tg_buf_puts(out, "\"parameter\":");
        add_parameters(out, doc, value);
    }
    return true;
}

static void add_members(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                        uint32_t object)
{
    bool brief = r->conf->body == TG_AUDIT_BODY_METADATA;

    for (uint32_t m = doc->node[object].child; m != TG_NONE; m = doc->node[m].next) {
        struct tg_str name = tg_doc_string(doc, m);
        uint32_t value = doc->node[m].child;

        CHECK(value != TG_NONE);
        if (brief && add_metadata(out, doc, name, value))
            continue;
        add_comma(out, '{');
        tg_buf_json(out, name);
        tg_buf_putc(out, ':');
        if (member_hidden(r, doc, object, name))
            tg_redact_value(r, out, tg_doc_text(doc, value));
        else
            tg_redact_body(r, out, doc, value);
    }
}

static void add_elements(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                         uint32_t array)
{
    for (uint32_t e = doc->node[array].child; e != TG_NONE; e = doc->node[e].next) {
        add_comma(out, '[');
        tg_redact_body(r, out, doc, e);
    }
}

void tg_redact_body(struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                    uint32_t node)
{
    CHECK(r->conf->body != TG_AUDIT_BODY_NONE);
    switch (tg_doc_type(doc, node)) {
    case TG_OBJECT:
        tg_buf_putc(out, '{');
        add_members(r, out, doc, node);
        tg_buf_putc(out, '}');
        break;
    case TG_ARRAY:
        tg_buf_putc(out, '[');
        add_elements(r, out, doc, node);
        tg_buf_putc(out, ']');
        break;
    default:
        tg_buf_add(out, tg_doc_text(doc, node));
    }
}
