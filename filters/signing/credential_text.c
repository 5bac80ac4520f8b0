/* Reads credentials from JSON and INI texts. */
#include "signing/credential_text.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "json/document.h"

/* --- times --- */

static bool take_digits(struct tg_str *text, size_t n, int *out)
{
    *out = 0;
    if (text->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        *out = *out * 10 + (text->p[i] - '0');
    }
    *text = tg_str_skip(*text, n);
    return true;
}

static bool take_char(struct tg_str *text, char c)
{
    if (text->n == 0 || *text->p != c)
        return false;
    *text = tg_str_skip(*text, 1);
    return true;
}

static void skip_fraction(struct tg_str *text)
{
    if (!take_char(text, '.'))
        return;
    while (text->n > 0 && *text->p >= '0' && *text->p <= '9')
        *text = tg_str_skip(*text, 1);
}

bool tg_expiry_parse(struct tg_str text, int64_t *seconds)
{
    struct tg_clock_parts t = {.year = 0};

    if (!take_digits(&text, 4, &t.year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &t.month) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &t.day) || !take_char(&text, 'T') ||
        !take_digits(&text, 2, &t.hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &t.minute) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &t.second))
        return false;
    skip_fraction(&text);
    return take_char(&text, 'Z') && text.n == 0 && tg_clock_seconds(&t, seconds);
}

/* --- keys --- */

/* Keys and tokens stand in header fields: visible ASCII. */
static bool is_visible(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

static bool copy(char *out, size_t size, struct tg_str s)
{
    if (s.n >= size || !is_visible(s))
        return false;
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    return true;
}

const char *tg_credential_fill(struct tg_str access_key, struct tg_str secret, struct tg_str token,
                               struct tg_str project_id, struct tg_credential *out)
{
    *out = (struct tg_credential){.expires_at = 0};
    if (access_key.n == 0)
        return "no access key";
    if (secret.n == 0)
        return "no secret key";
    if (!copy(out->access_key, sizeof(out->access_key), access_key))
        return "access key not taken";
    if (!copy(out->secret, sizeof(out->secret), secret))
        return "secret key not taken";
    if (!copy(out->token, sizeof(out->token), token))
        return "security token not taken";
    return copy(out->project_id, sizeof(out->project_id), project_id) ? NULL
                                                                      : "project id not taken";
}

/* --- JSON --- */

/* The value of a string member, empty when there is none. */
static struct tg_str text_of(const struct tg_doc *d, uint32_t object, struct tg_str name)
{
    uint32_t value = tg_doc_member(d, object, name);

    return value != TG_NONE && tg_doc_type(d, value) == TG_STRING ? tg_doc_string(d, value)
                                                                  : TG_STR("");
}

static const char *read_expiry(struct tg_str text, bool temporary, int64_t now,
                               struct tg_credential *out)
{
    if (text.n == 0)
        return temporary ? "no expires_at" : NULL;
    if (!tg_expiry_parse(text, &out->expires_at))
        return "expires_at not a time";
    return out->expires_at > now ? NULL : "already expired";
}

static const char *read_document(const struct tg_doc *d, bool temporary, int64_t now,
                                 struct tg_credential *out)
{
    uint32_t object =
        tg_doc_type(d, 0) == TG_OBJECT ? tg_doc_member(d, 0, TG_STR("credential")) : TG_NONE;

    if (object == TG_NONE || tg_doc_type(d, object) != TG_OBJECT)
        return "no credential";
    struct tg_str token = text_of(d, object, TG_STR("securitytoken"));
    if (temporary && token.n == 0)
        return "no security token";
    const char *why = tg_credential_fill(text_of(d, object, TG_STR("access")),
                                         text_of(d, object, TG_STR("secret")), token,
                                         text_of(d, object, TG_STR("project_id")), out);
    return why != NULL ? why
                       : read_expiry(text_of(d, object, TG_STR("expires_at")), temporary, now, out);
}

const char *tg_credential_read_json(struct tg_str text, bool temporary, int64_t now,
                                    struct tg_credential *out)
{
    static const struct tg_json_limits limits = {.max_depth = 8, .max_tokens = 1000};
    struct tg_json_fault fault;
    struct tg_arena arena;
    struct tg_doc d;
    const char *why = "not JSON";

    if (text.n > TG_CREDENTIAL_TEXT)
        return "too large";
    tg_arena_init(&arena);
    if (tg_doc_parse(&d, &arena, text, &limits, &fault))
        why = read_document(&d, temporary, now, out);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    if (why != NULL)
        tg_wipe(out, sizeof(*out));
    return why;
}

/* --- INI --- */

struct ini {
    struct tg_str ak, sk, token, project, idp;
};

static struct tg_str take_line(struct tg_str *text)
{
    const char *end = memchr(text->p, '\n', text->n);
    struct tg_str line = {text->p, end != NULL ? (size_t)(end - text->p) : text->n};

    *text = tg_str_skip(*text, end != NULL ? line.n + 1 : line.n);
    if (tg_str_ends(line, TG_STR("\r")))
        line.n--;
    return tg_str_trim(line);
}

static void take_value(struct ini *ini, struct tg_str name, struct tg_str value)
{
    struct {
        struct tg_str name;
        struct tg_str *value;
    } members[] = {{TG_STR("ak"), &ini->ak},
                   {TG_STR("sk"), &ini->sk},
                   {TG_STR("security_token"), &ini->token},
                   {TG_STR("project_id"), &ini->project},
                   {TG_STR("idp_id"), &ini->idp}};

    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (tg_str_eq(name, members[i].name))
            *members[i].value = value;
}

const char *tg_credential_read_ini(struct tg_str text, struct tg_str section,
                                   struct tg_credential *out)
{
    struct ini ini = {.ak = TG_STR("")};
    bool inside = false, found = false;

    if (text.n > TG_CREDENTIAL_TEXT)
        return "too large";
    while (text.n > 0) {
        struct tg_str line = take_line(&text);
        if (line.n == 0 || *line.p == '#' || *line.p == ';')
            continue;
        if (*line.p == '[') {
            inside = tg_str_ends(line, TG_STR("]")) &&
                     tg_str_eq((struct tg_str){line.p + 1, line.n - 2}, section);
            found |= inside;
            continue;
        }
        const char *equals = memchr(line.p, '=', line.n);
        if (!inside || equals == NULL)
            continue;
        size_t n = (size_t)(equals - line.p);
        take_value(&ini, tg_str_trim((struct tg_str){line.p, n}),
                   tg_str_trim(tg_str_skip(line, n + 1)));
    }
    if (ini.idp.n > 0)
        return TG_CREDENTIAL_IS_IDTOKEN;
    return found ? tg_credential_fill(ini.ak, ini.sk, ini.token, ini.project, out)
                 : "no such section";
}
