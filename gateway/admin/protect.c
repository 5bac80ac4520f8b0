/* Names and tokens of who asks. */
#include "admin/protect.h"

#include "base/address.h"
#include "base/crypto.h"

enum { MAX_BASIC = 1024 }; /* bytes of credentials, coded */

/* A Host field (RFC 9110 section 7.2) without its port and brackets. */
static struct tg_str host_of(struct tg_str field)
{
    const char *end;

    if (field.n > 0 && *field.p == '[') {
        end = memchr(field.p, ']', field.n);
        return end != NULL ? (struct tg_str){field.p + 1, (size_t)(end - field.p) - 1} : field;
    }
    end = field.n > 0 ? memchr(field.p, ':', field.n) : NULL;
    return end != NULL ? (struct tg_str){field.p, (size_t)(end - field.p)} : field;
}

bool tg_admin_knows_host(const struct tg_settings *s, struct tg_str field)
{
    struct tg_str host = host_of(field);
    struct in6_addr address;

    if (tg_network_address(host, &address) || tg_str_ieq(host, TG_STR("localhost")))
        return true;
    for (unsigned i = 1; s->admin_names != NULL && i < s->admin_names->nargs; i++)
        if (tg_str_ieq(host, s->admin_names->args[i]))
            return true;
    return false;
}

/* What stands behind a scheme; nothing when it is another one. */
static struct tg_str behind(struct tg_str value, struct tg_str scheme)
{
    if (value.n <= scheme.n || value.p[scheme.n] != ' ' ||
        !tg_str_ieq((struct tg_str){value.p, scheme.n}, scheme))
        return (struct tg_str){NULL, 0};
    return tg_str_trim(tg_str_skip(value, scheme.n));
}

static bool is_token(const struct tg_settings *s, struct tg_str text)
{
    return s->admin_token.n > 0 && tg_equal_secret(text, s->admin_token);
}

bool tg_admin_knows_token(const struct tg_settings *s, struct tg_str authorization)
{
    struct tg_str value = tg_str_trim(authorization);
    struct tg_str coded = behind(value, TG_STR("Basic"));
    char pair[MAX_BASIC];
    const char *colon;
    size_t n;

    if (is_token(s, behind(value, TG_STR("Bearer"))))
        return true;
    if (coded.n > MAX_BASIC || !tg_base64_read(coded, pair, &n))
        return false;
    colon = memchr(pair, ':', n);
    return colon != NULL && is_token(s, (struct tg_str){colon + 1, (size_t)(pair + n - colon) - 1});
}
