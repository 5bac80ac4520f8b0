#include "contract/image_ref.h"

enum { MAX_REFERENCE = 1024, MAX_TAG = 128, SHA256_HEX = 64 };

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Letters, digits and marks, not empty, beginning and ending with a letter or digit. */
static bool is_component(struct tg_str s, const char *marks, bool upper)
{
    if (s.n == 0 || !is_alphanumeric(s.p[0]) || !is_alphanumeric(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alphanumeric(s.p[i]) && (s.p[i] == '\0' || strchr(marks, s.p[i]) == NULL))
            return false;
        if (!upper && s.p[i] >= 'A' && s.p[i] <= 'Z')
            return false;
    }
    return true;
}

/* Cuts `s` at the first `c`; *rest is what follows. False when there is no `c`. */
static bool cut(struct tg_str *s, char c, struct tg_str *rest)
{
    const char *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;

    if (at == NULL)
        return false;
    *rest = tg_str_skip(*s, (size_t)(at - s->p) + 1);
    s->n = (size_t)(at - s->p);
    return true;
}

static bool is_port(struct tg_str s)
{
    uint64_t port;

    return tg_str_u64(s, &port) && port >= 1 && port <= 65535;
}

/* The first segment is a host when it cannot be a repository: a dot, a port, or "localhost". */
static bool take_host(struct tg_str *s)
{
    struct tg_str first = *s;
    struct tg_str rest, port;

    if (!cut(&first, '/', &rest))
        return true;
    if (memchr(first.p, '.', first.n) == NULL && memchr(first.p, ':', first.n) == NULL &&
        !tg_str_eq(first, TG_STR("localhost")))
        return true;
    *s = rest;
    if (cut(&first, ':', &port) && !is_port(port))
        return false;
    return is_component(first, ".-", true);
}

static bool is_tag(struct tg_str s)
{
    if (s.n == 0 || s.n > MAX_TAG || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alphanumeric(s.p[i]) && memchr("._-", s.p[i], 3) == NULL)
            return false;
    return true;
}

static bool is_digest(struct tg_str s)
{
    const struct tg_str algorithm = TG_STR("sha256:");

    return tg_str_starts(s, algorithm) && s.n == algorithm.n + SHA256_HEX &&
           is_component(tg_str_skip(s, algorithm.n), "", false);
}

static bool is_path(struct tg_str s)
{
    struct tg_str rest = {NULL, 0};
    bool more = true;

    while (more) {
        more = cut(&s, '/', &rest);
        if (!is_component(s, "._-", false))
            return false;
        s = rest;
    }
    return true;
}

bool tg_image_ref_is(struct tg_str s)
{
    struct tg_str part;

    if (s.n > MAX_REFERENCE || !take_host(&s))
        return false;
    if (cut(&s, '@', &part) && !is_digest(part))
        return false;
    if (cut(&s, ':', &part) && !is_tag(part))
        return false;
    return is_path(s);
}
