/* References to container images. */
#include "contract/image_ref.h"

#include "base/chars.h"

enum { MAX_REFERENCE = 1024, MAX_TAG = 128, SHA256_HEX = 64 };

/* Letters, digits and marks, not empty, beginning and ending with a letter or digit. */
static bool is_component(struct tg_str s, const char *marks, bool upper)
{
    if (s.n == 0 || !tg_char_is(s.p[0], TG_CHAR_ALPHANUMERIC) ||
        !tg_char_is(s.p[s.n - 1], TG_CHAR_ALPHANUMERIC))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!tg_char_is(s.p[i], TG_CHAR_ALPHANUMERIC) &&
            (s.p[i] == '\0' || strchr(marks, s.p[i]) == NULL))
            return false;
        if (!upper && tg_char_is(s.p[i], TG_CHAR_UPPER))
            return false;
    }
    return true;
}

/* Cuts `s` at the first `c`; *rest is what follows. False when there is no `c`. */
static bool image_ref_cut(struct tg_str *s, char c, struct tg_str *rest)
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

    if (!image_ref_cut(&first, '/', &rest))
        return true;
    if (memchr(first.p, '.', first.n) == NULL && memchr(first.p, ':', first.n) == NULL &&
        !tg_str_eq(first, TG_STR("localhost")))
        return true;
    *s = rest;
    if (image_ref_cut(&first, ':', &port) && !is_port(port))
        return false;
    return is_component(first, ".-", true);
}

static bool is_tag(struct tg_str s)
{
    if (s.n == 0 || s.n > MAX_TAG || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!tg_char_is(s.p[i], TG_CHAR_ALPHANUMERIC) && memchr("._-", s.p[i], 3) == NULL)
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
        more = image_ref_cut(&s, '/', &rest);
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
    if (image_ref_cut(&s, '@', &part) && !is_digest(part))
        return false;
    if (image_ref_cut(&s, ':', &part) && !is_tag(part))
        return false;
    return is_path(s);
}
