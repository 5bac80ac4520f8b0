/* Reads the Authorization field of a signed request. */
#include "http/authorization.h"

#include "base/chars.h"
#include "http/fields.h"

static const struct tg_str words[] = {
    [TG_AUTHORIZATION_SDK] = TG_STR("SDK-HMAC-SHA256"),
    [TG_AUTHORIZATION_V11] = TG_STR("V11-HMAC-SHA256"),
};

struct tg_str tg_authorization_scheme_word(enum tg_authorization_scheme scheme)
{
    return words[scheme];
}

static bool is_key(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!tg_char_is(s.p[i], TG_CHAR_NAME) || s.p[i] == '-' || s.p[i] == '_')
            return false;
    return s.n > 0;
}

/* Takes the text before the first `separator` off `*rest`, and the separator. */
static struct tg_str take_until(struct tg_str *rest, char separator)
{
    const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
    struct tg_str got = {rest->p, at != NULL ? (size_t)(at - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, at != NULL ? got.n + 1 : got.n);
    return got;
}

bool tg_authorization_next(struct tg_str *list, struct tg_str *name)
{
    if (list->n == 0)
        return false;
    *name = take_until(list, ';');
    return true;
}

static bool is_day(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n == 8;
}

/* AK/DAY/REGION/SERVICE. */
static const char *read_scope(struct tg_str value, struct tg_authorization *out)
{
    struct tg_str rest = value;

    out->access_key = take_until(&rest, '/');
    out->scope = rest;
    out->day = take_until(&rest, '/');
    struct tg_str region = take_until(&rest, '/');
    if (!is_day(out->day) || region.n == 0 || !tg_chars_are(region, TG_CHAR_UNRESERVED) ||
        rest.n == 0 || !tg_chars_are(rest, TG_CHAR_UNRESERVED))
        return "Credential must be ACCESS_KEY/YYYYMMDD/REGION/SERVICE";
    return NULL;
}

/* Credential= is also an older word for Access=; then the key ends at the first slash. */
static const char *read_credential(struct tg_str value, struct tg_authorization *out)
{
    const char *why = NULL;

    if (out->access_key.p != NULL)
        return "there must be one access key";
    if (out->scheme == TG_AUTHORIZATION_V11)
        why = read_scope(value, out);
    else
        out->access_key = take_until(&value, '/');
    if (why == NULL && !is_key(out->access_key))
        why = "the access key must be letters and digits";
    return why;
}

static const char *read_access(struct tg_str value, struct tg_authorization *out)
{
    if (out->scheme == TG_AUTHORIZATION_V11)
        return "V11-HMAC-SHA256 names its key in Credential";
    if (out->access_key.p != NULL)
        return "there must be one access key";
    out->access_key = value;
    return is_key(value) ? NULL : "the access key must be letters and digits";
}

static bool is_signed_name(struct tg_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!tg_char_is(name.p[i], TG_CHAR_TOKEN) || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
            return false;
    return name.n > 0;
}

static bool is_in(struct tg_str list, struct tg_str name)
{
    struct tg_str one;

    while (tg_authorization_next(&list, &one))
        if (tg_str_eq(one, name))
            return true;
    return false;
}

static const char *read_signed_fields(struct tg_str value, struct tg_authorization *out)
{
    struct tg_str rest = value, name;
    unsigned n = 0;

    if (out->signed_fields.p != NULL)
        return "SignedHeaders is there twice";
    if (tg_str_ends(value, TG_STR(";")))
        return "SignedHeaders must be field names with \";\" between them";
    out->signed_fields = value;
    while (tg_authorization_next(&rest, &name)) {
        if (!is_signed_name(name))
            return "SignedHeaders must be lower-case field names with \";\" between them";
        if (++n > TG_AUTHORIZATION_MAX_FIELDS)
            return "SignedHeaders has more than 64 names";
        if (is_in(rest, name))
            return "SignedHeaders has a name twice";
    }
    if (!is_in(value, TG_STR("x-sdk-date")))
        return "SignedHeaders must have x-sdk-date";
    return NULL;
}

static const char *read_signature(struct tg_str value, struct tg_authorization *out)
{
    if (out->signature.p != NULL)
        return "Signature is there twice";
    out->signature = value;
    for (size_t i = 0; i < value.n; i++)
        if (!tg_char_is(value.p[i], TG_CHAR_HEX) || (value.p[i] >= 'A' && value.p[i] <= 'F'))
            return "Signature must be 64 lower-case hex digits";
    return value.n == TG_AUTHORIZATION_SIGNATURE ? NULL
                                                 : "Signature must be 64 lower-case hex digits";
}

static const char *read_member(struct tg_str member, struct tg_authorization *out)
{
    static const struct {
        struct tg_str name;
        const char *(*read)(struct tg_str value, struct tg_authorization *out);
    } members[] = {{TG_STR("Access"), read_access},
                   {TG_STR("Credential"), read_credential},
                   {TG_STR("SignedHeaders"), read_signed_fields},
                   {TG_STR("Signature"), read_signature}};
    struct tg_str value = tg_str_trim(member);
    struct tg_str name = take_until(&value, '=');

    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (tg_str_eq(name, members[i].name))
            return members[i].read(value, out);
    return "it may have Access or Credential, SignedHeaders and Signature only";
}

static bool read_scheme(struct tg_str *rest, struct tg_authorization *out)
{
    struct tg_str word = take_until(rest, ' ');

    for (int i = TG_AUTHORIZATION_SDK; i <= TG_AUTHORIZATION_V11; i++)
        if (tg_str_eq(word, words[i]))
            out->scheme = (enum tg_authorization_scheme)i;
    return out->scheme != 0;
}

const char *tg_authorization_parse(struct tg_str value, struct tg_authorization *out)
{
    struct tg_str rest = tg_str_trim(value);

    *out = (struct tg_authorization){.scheme = 0};
    if (!read_scheme(&rest, out))
        return "the scheme must be SDK-HMAC-SHA256 or V11-HMAC-SHA256";
    while (rest.n > 0) {
        const char *why = read_member(take_until(&rest, ','), out);
        if (why != NULL)
            return why;
    }
    if (out->access_key.p == NULL)
        return "the access key is missing";
    if (out->signed_fields.p == NULL)
        return "SignedHeaders is missing";
    return out->signature.p != NULL ? NULL : "Signature is missing";
}
