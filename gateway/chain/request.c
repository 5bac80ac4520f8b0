/* Who asks, in which language, and what of a request is read in two ways; what filters leave. */
#include "chain/request.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/simd.h"
#include "chain/filter.h"
#include "http/accept.h"

#include <stdarg.h>
#include <stdio.h>

void tg_request_init(struct tg_request *r, struct tg_arena *arena)
{
    memset(r, 0, offsetof(struct tg_request, report.unknown));
    r->arena = arena;
    r->credentials = TG_CRED_NONE;
    r->report.arena = arena;
}

struct tg_str tg_request_field(const struct tg_request *r, struct tg_str name)
{
    for (unsigned i = 0; i < r->nfields; i++)
        if (tg_str_ieq(r->fields[i].name, name))
            return r->fields[i].value;
    return (struct tg_str){NULL, 0};
}

struct tg_str tg_request_forwarded_body(const struct tg_request *r)
{
    return r->doc != NULL ? tg_doc_result(r->doc) : r->body;
}

/* --- credentials (contract section 6) --- */

/* Schemes are compared without case (RFC 9110 section 11.1). All of the SDKs' own are signatures
 * with the same parameters: SDK-HMAC-SHA256, SDK-ECDSA-P256-SHA256, V11-HMAC-SHA256, ... */
static enum tg_credentials credentials_of(struct tg_str scheme)
{
    struct tg_str family = {scheme.p, scheme.n < 4 ? scheme.n : 4};

    if (tg_str_ieq(family, TG_STR("SDK-")) || tg_str_ieq(family, TG_STR("V11-")))
        return TG_CRED_SIGNED;
    return tg_str_ieq(scheme, TG_STR("Bearer")) ? TG_CRED_BEARER : TG_CRED_OTHER;
}

static const char malformed_signature[] =
    "a signed request's Authorization field is Access=KEY or Credential=KEY/SCOPE, then "
    "SignedHeaders and Signature, each once, parted by commas";

/* The parameters of a signature, in any order. */
enum parameter { ACCESS, CREDENTIAL, SIGNED_HEADERS, SIGNATURE, PARAMETERS };

static const struct tg_str parameter_names[PARAMETERS] = {
    {"Access", 6}, {"Credential", 10}, {"SignedHeaders", 13}, {"Signature", 9}};

/* Takes "NAME=VALUE" apart; false when the name is not one of a signature's, letter by letter, or
 * the value holds what could be read as the end of it. */
static bool read_parameter(struct tg_str element, struct tg_str values[PARAMETERS])
{
    const char *equals = element.n > 0 ? memchr(element.p, '=', element.n) : NULL;
    struct tg_str name, value;

    if (equals == NULL)
        return false;
    name = (struct tg_str){element.p, (size_t)(equals - element.p)};
    value = tg_str_skip(element, name.n + 1);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] == '"' || value.p[i] == '=')
            return false;
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!tg_str_eq(name, parameter_names[i]))
            continue;
        if (values[i].p != NULL || value.n == 0)
            return false;
        values[i] = value;
        return true;
    }
    return false;
}

static bool request_is_access_key(struct tg_str s)
{
    return s.n > 0 && tg_chars_are(s, TG_CHAR_NAME) && memchr(s.p, '-', s.n) == NULL &&
           memchr(s.p, '_', s.n) == NULL;
}

/* Sets the access key: there is exactly one, however the field is read. */
static const char *read_signature(struct tg_request *r, struct tg_str parameters)
{
    struct tg_str values[PARAMETERS] = {{NULL, 0}};
    struct tg_str key;
    const char *slash;

    while (parameters.n > 0) {
        const char *comma = memchr(parameters.p, ',', parameters.n);
        size_t n = comma != NULL ? (size_t)(comma - parameters.p) : parameters.n;

        if (!read_parameter(tg_str_trim((struct tg_str){parameters.p, n}), values) ||
            (comma != NULL && n + 1 == parameters.n))
            return malformed_signature;
        parameters = tg_str_skip(parameters, comma != NULL ? n + 1 : n);
    }
    key = values[values[ACCESS].p != NULL ? ACCESS : CREDENTIAL];
    slash = key.n > 0 && values[ACCESS].p == NULL ? memchr(key.p, '/', key.n) : NULL;
    if (slash != NULL)
        key.n = (size_t)(slash - key.p);
    if ((values[ACCESS].p != NULL) == (values[CREDENTIAL].p != NULL) || !request_is_access_key(key))
        return malformed_signature;
    r->access_key = key;
    return NULL;
}

/* One token68 (RFC 9110 section 11.2), or what is near enough to be one word for everybody. */
static bool is_one_word(struct tg_str s)
{
    size_t i = 0;

    if (s.n >= 64 && tg_simd_words(s.p, s.n))
        return true; /* so are most */
    while (i < s.n && tg_simd_is_word(s.p[i]))
        i++;
    return s.n > 0 && i == s.n;
}

static const char *read_authorization(struct tg_request *r, struct tg_str value)
{
    size_t n = 0;
    struct tg_str rest;

    while (n < value.n && tg_char_is(value.p[n], TG_CHAR_TOKEN))
        n++;
    rest = tg_str_skip(value, n);
    if (n == 0 || (rest.n > 0 && *rest.p != ' '))
        return "the Authorization field does not begin with a scheme and a blank";
    r->credentials = credentials_of((struct tg_str){value.p, n});
    while (rest.n > 0 && *rest.p == ' ')
        rest = tg_str_skip(rest, 1);
    if (r->credentials == TG_CRED_SIGNED)
        return read_signature(r, rest);
    if (r->credentials == TG_CRED_BEARER && !is_one_word(rest))
        return "the Authorization field does not have exactly one Bearer token";
    return NULL;
}

/* The first Authorization field and the first X-Auth-Token, in one walk; p is NULL without one. */
static struct tg_str find_credentials(const struct tg_request *r, struct tg_str *token)
{
    static const struct tg_str named = {"Authorization", 13}, other = {"X-Auth-Token", 12};
    struct tg_str authorization = {NULL, 0};

    *token = authorization;
    for (const struct tg_field *f = r->fields, *end = f + r->nfields; f < end; f++) {
        if ((f->name.n | 1) != 13)
            continue; /* neither of the two lengths */
        if (token->p == NULL && tg_str_ieq(f->name, other))
            *token = f->value;
        if (authorization.p == NULL && tg_str_ieq(f->name, named))
            authorization = f->value;
    }
    return authorization;
}

const char *tg_request_identify(struct tg_request *r)
{
    struct tg_str token;
    struct tg_str authorization = find_credentials(r, &token);
    const char *why = NULL;

    r->access_key = (struct tg_str){NULL, 0};
    r->credentials = token.p != NULL ? TG_CRED_TOKEN : TG_CRED_NONE;
    if (token.n > 0 && !is_one_word(token))
        why = "the X-Auth-Token field does not have exactly one token";
    else if (authorization.p != NULL)
        why = read_authorization(r, authorization);
    if (why == NULL && authorization.p != NULL && token.p != NULL)
        why = "an X-Auth-Token beside an Authorization field: which of the two callers asks?";
    if (why != NULL)
        r->credentials = TG_CRED_NONE;
    return why;
}

/* --- fields that are read in two ways --- */

enum { ANY = UINT8_MAX };

/* Fields that say who asks, for what, and where a message ends, with how many there may be. */
static const struct {
    struct tg_str name;
    uint8_t most;
    const char *why;
} known_fields[] = {
    {{"Authorization", 13}, 1, "more than one Authorization field"},
    {{"X-Auth-Token", 12}, 1, "more than one X-Auth-Token field"},
    {{"X-Trainguard-Key", 16}, 1, "more than one X-Trainguard-Key field"},
    {{"Content-Length", 14}, ANY, NULL},
    {{"Content-Type", 12}, ANY, NULL},
    {{"Content-Encoding", 16}, ANY, NULL},
    {{"Transfer-Encoding", 17}, ANY, NULL},
    {{"X-Domain-Id", 11}, ANY, NULL},
    {{"X-Forwarded-For", 15}, ANY, NULL},
    {{"X-Forwarded-Host", 16}, ANY, NULL},
    {{"X-Project-Id", 12}, ANY, NULL},
    {{"X-Request-Id", 12}, ANY, NULL},
    {{"X-Sdk-Content-Sha256", 20}, ANY, NULL},
    {{"X-Sdk-Date", 10}, ANY, NULL},
    {{"X-Security-Token", 16}, ANY, NULL},
};

enum { KNOWN_FIELDS = sizeof(known_fields) / sizeof(*known_fields), LONGEST_KNOWN = 20 };

static bool is_sign(char c)
{
    return !tg_char_is(c, TG_CHAR_ALPHANUMERIC);
}

/* Gateways and frameworks that make variables of fields (RFC 3875 section 4.1.18) take "_" for "-",
 * and some of them any sign: "X.Auth.Token". */
static bool is_field(struct tg_str name, struct tg_str known, bool *exact)
{
    if (name.n != known.n)
        return false;
    *exact = tg_str_ieq(name, known);
    for (size_t i = 0; i < name.n && !*exact; i++) {
        char c = is_sign(name.p[i]) ? '-' : name.p[i];

        if (!tg_str_ieq((struct tg_str){&c, 1}, (struct tg_str){known.p + i, 1}))
            return false;
    }
    return true;
}

/* True for names that are not letters, digits and "-" alone. */
static bool has_other_sign(struct tg_str name)
{
    return !tg_chars_are(name, TG_CHAR_NAME) || memchr(name.p, '_', name.n) != NULL;
}

/* Counts a field in; NULL, or what is wrong with it. */
static const char *count_field(struct tg_str name, uint8_t seen[KNOWN_FIELDS])
{
    for (size_t i = 0; i < KNOWN_FIELDS; i++) {
        bool exact;

        if (!is_field(name, known_fields[i].name, &exact))
            continue;
        if (!exact)
            return "a field name with \"_\" or another sign that some servers read as one with "
                   "\"-\"";
        if (known_fields[i].most != ANY && ++seen[i] > known_fields[i].most)
            return known_fields[i].why;
    }
    return NULL;
}

/* Takes the next word off a name, up to a sign. */
static struct tg_str take_word(struct tg_str *name)
{
    struct tg_str word = {name->p, 0};

    while (word.n < name->n && !is_sign(name->p[word.n]))
        word.n++;
    *name = tg_str_skip(*name, word.n < name->n ? word.n + 1 : word.n);
    return word;
}

/* "X-" and words that say of a method or path that it is another one: X-HTTP-Method-Override,
 * X-Original-URL, X-Forwarded-Uri, ... Servers and frameworks have each their own. */
bool tg_request_is_override(struct tg_str name)
{
    static const struct tg_str words[] = {
        TG_STR("Method"),   TG_STR("Path"),     TG_STR("URI"),
        TG_STR("URL"),      TG_STR("HTTP"),     TG_STR("Forwarded"),
        TG_STR("Original"), TG_STR("Override"), TG_STR("Rewrite")};
    enum { THINGS = 4, WORDS = sizeof(words) / sizeof(*words) };
    unsigned seen = 0;

    if (name.n < 3 || (name.p[0] | 0x20) != 'x' || !is_sign(name.p[1]))
        return false;
    name = tg_str_skip(name, 2);
    while (name.n > 0) {
        struct tg_str word = take_word(&name);
        unsigned i = 0;

        while (i < WORDS && !tg_str_ieq(word, words[i]))
            i++;
        if (i == WORDS)
            return false;
        seen |= 1U << i;
    }
    return (seen & ((1U << THINGS) - 1)) != 0 && seen >> THINGS != 0;
}

const char *tg_request_ambiguity(const struct tg_request *r)
{
    const unsigned lengths = /* of the names that there may not be any number of */
        1U << 12 | 1U << 13 | 1U << 16;
    uint8_t seen[KNOWN_FIELDS] = {0};

    for (unsigned i = 0; i < r->nfields; i++) {
        struct tg_str name = r->fields[i].name;
        const char *why;

        if (tg_request_is_override(name))
            return "a field that names another method or path is not supported";
        if (name.n > LONGEST_KNOWN || ((lengths >> name.n & 1) == 0 && !has_other_sign(name)))
            continue;
        why = count_field(name, seen);
        if (why != NULL)
            return why;
    }
    return NULL;
}

/* --- languages (RFC 9110 sections 12.4.2 and 12.5.4) --- */

static bool is_language(struct tg_str range, const char *language)
{
    return range.n >= 2 && strncasecmp(range.p, language, 2) == 0 &&
           (range.n == 2 || range.p[2] == '-');
}

static void weigh(struct tg_str list, int *chinese, int *english)
{
    struct tg_accept one;

    while (tg_accept_next(&list, &one)) {
        int q = (int)one.weight;

        /* equal weights: the language named first */
        if (is_language(one.range, "zh") && q > *chinese)
            *chinese = q - (q == *english);
        if (is_language(one.range, "en") && q > *english)
            *english = q - (q == *chinese);
    }
}

bool tg_request_prefers_chinese(const struct tg_request *r)
{
    int chinese = 0;
    int english = 0;

    for (unsigned i = 0; i < r->nfields; i++)
        if (tg_str_ieq(r->fields[i].name, TG_STR("Accept-Language")))
            weigh(r->fields[i].value, &chinese, &english);
    return chinese > 0 && chinese > english;
}

/* --- what filters leave --- */

const char *tg_auth_kind_text(enum tg_auth_kind kind)
{
    static const char *const texts[TG_AUTH_KINDS] = {
        [TG_AUTH_NONE] = "none", [TG_AUTH_AKSK] = "aksk", [TG_AUTH_TOKEN] = "token",
        [TG_AUTH_TLS] = "tls",   [TG_AUTH_UNIX] = "unix", [TG_AUTH_KEY] = "key",
        [TG_AUTH_ANY] = "any"};

    CHECK(kind >= TG_AUTH_NONE && kind < TG_AUTH_KINDS);
    return texts[kind];
}

enum tg_verdict tg_reply(struct tg_request *r, enum tg_error error, const char *detail,
                         const char *detail_zh)
{
    CHECK(error > TG_E_DONE && error < TG_E_COUNT);
    CHECK(tg_error_info(error)->status != 0);
    r->error = error;
    r->error_detail = tg_str_of(detail);
    r->error_detail_zh = tg_str_of(detail_zh);
    return TG_REPLY;
}

enum tg_verdict tg_refuse(struct tg_request *r)
{
    const struct tg_finding *f = tg_report_violation(&r->report);

    CHECK(f != NULL);
    return tg_reply(r, f->error, NULL, NULL);
}

enum tg_verdict tg_fail(struct tg_request *r, const char *detail)
{
    CHECK(detail != NULL);
    r->error = TG_E_INTERNAL;
    r->error_detail = tg_str_of(detail);
    r->error_detail_zh = (struct tg_str){NULL, 0};
    return TG_FAIL;
}

enum tg_verdict tg_wait(struct tg_request *r, const char *why, unsigned ms)
{
    CHECK(why != NULL && why[0] != '\0');
    CHECK(ms >= 1);
    r->waiting = why;
    r->wait_ms = ms;
    return TG_WAIT;
}

/* --- who waits --- */

struct tg_request_handle tg_request_handle(const struct tg_request *r)
{
    return r->host != NULL ? r->host->handle(r->host, r) : (struct tg_request_handle){0};
}

bool tg_resume(struct tg_request_handle handle)
{
    return handle.host != NULL && handle.host->resume(handle);
}

struct event_base *tg_request_loop(const struct tg_request *r)
{
    return r->host != NULL ? r->host->loop : NULL;
}

void tg_request_set_field(struct tg_request *r, struct tg_str name, struct tg_str value)
{
    struct tg_set_field *s = tg_arena_zalloc(r->arena, 1, sizeof(*s));

    CHECK(name.n > 0);
    CHECK(value.n == 0 || tg_chars_are(value, TG_CHAR_TEXT));
    s->field.name = tg_arena_dup(r->arena, name);
    s->field.value = tg_arena_dup(r->arena, value);
    s->next = r->set_fields;
    r->set_fields = s;
}

/* --- tracing --- */

enum { TRACE_LINE = 1024 }; /* bytes; what is longer is cut */

void tg_trace_line(const struct tg_request *r, const char *format, ...)
{
    char line[TRACE_LINE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    CHECK(n > 0);
    r->trace->line(r->trace->owner, r,
                   (struct tg_str){line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1});
}
