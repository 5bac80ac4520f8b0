#include "chain/request.h"

#include "base/chars.h"
#include "base/check.h"
#include "chain/filter.h"
#include "http/fields.h"

void tg_request_init(struct tg_request *r, struct tg_arena *arena)
{
    *r = (struct tg_request){.arena = arena, .credentials = TG_CRED_NONE};
    tg_report_init(&r->report, arena);
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

static const struct {
    struct tg_str scheme;
    enum tg_credentials credentials;
} schemes[] = {
    {{"SDK-HMAC-SHA256", 15}, TG_CRED_SIGNED},
    {{"SDK-HMAC-SM3", 12}, TG_CRED_SIGNED},
    {{"V11-HMAC-SHA256", 15}, TG_CRED_SIGNED},
    {{"Bearer", 6}, TG_CRED_BEARER},
};

/* Schemes are compared without case (RFC 9110 section 11.1). */
static enum tg_credentials credentials_of(struct tg_str scheme)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (tg_str_ieq(schemes[i].scheme, scheme))
            return schemes[i].credentials;
    return TG_CRED_OTHER;
}

/* The AK in "Access=<AK>, ..." or "Credential=<AK>/...". */
static struct tg_str access_key(struct tg_str parameters)
{
    struct tg_str element;

    while (tg_fields_next(&parameters, &element)) {
        bool scoped = tg_str_starts(element, TG_STR("Credential="));
        const char *slash;

        if (!scoped && !tg_str_starts(element, TG_STR("Access=")))
            continue;
        element = tg_str_skip(element, scoped ? strlen("Credential=") : strlen("Access="));
        slash = scoped && element.n > 0 ? memchr(element.p, '/', element.n) : NULL;
        return slash != NULL ? (struct tg_str){element.p, (size_t)(slash - element.p)} : element;
    }
    return (struct tg_str){NULL, 0};
}

/* A signature counts before a token: it is what forbids changes. */
void tg_request_identify(struct tg_request *r)
{
    struct tg_str value = tg_request_field(r, TG_STR("Authorization"));
    size_t scheme = 0;

    r->access_key = (struct tg_str){NULL, 0};
    r->credentials = TG_CRED_NONE;
    if (value.p != NULL) {
        while (scheme < value.n && value.p[scheme] != ' ' && value.p[scheme] != '\t')
            scheme++;
        r->credentials = credentials_of((struct tg_str){value.p, scheme});
    }
    if (r->credentials == TG_CRED_SIGNED)
        r->access_key = access_key(tg_str_skip(value, scheme));
    else if (tg_request_field(r, TG_STR("X-Auth-Token")).p != NULL)
        r->credentials = TG_CRED_TOKEN;
}

/* --- languages (RFC 9110 sections 12.4.2 and 12.5.4) --- */

/* The weight of one element in thousandths; what is malformed counts as 0. */
static int weight(struct tg_str parameters)
{
    int value = 0;
    int digit = 100;

    parameters = tg_str_trim(parameters);
    if (parameters.n == 0)
        return 1000;
    if (parameters.n < 3 || (parameters.p[0] | 0x20) != 'q' || parameters.p[1] != '=')
        return 0;
    if (parameters.p[2] == '1')
        return 1000;
    for (size_t i = 4; i < parameters.n && digit > 0; i++, digit /= 10) {
        if (parameters.p[i] < '0' || parameters.p[i] > '9')
            return 0;
        value += (parameters.p[i] - '0') * digit;
    }
    return value;
}

static bool is_language(struct tg_str range, const char *language)
{
    return range.n >= 2 && strncasecmp(range.p, language, 2) == 0 &&
           (range.n == 2 || range.p[2] == '-');
}

static void weigh(struct tg_str list, int *chinese, int *english)
{
    struct tg_str element;

    while (tg_fields_next(&list, &element)) {
        const char *semicolon = memchr(element.p, ';', element.n);
        size_t n = semicolon != NULL ? (size_t)(semicolon - element.p) : element.n;
        struct tg_str range = tg_str_trim((struct tg_str){element.p, n});
        int q = weight(tg_str_skip(element, semicolon != NULL ? n + 1 : n));

        /* equal weights: the language named first */
        if (is_language(range, "zh") && q > *chinese)
            *chinese = q - (q == *english);
        if (is_language(range, "en") && q > *english)
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
