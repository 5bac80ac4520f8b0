/* ${NAME} and ${NAME:-DEFAULT} in values: what the environment has. */
#include "base/chars.h"
#include "base/utf8.h"
#include "config/conf.h"

#include <stdlib.h>

static size_t name_length(struct tg_str s)
{
    size_t n = 0;

    while (n < s.n &&
           (s.p[n] == '_' || tg_char_is(s.p[n], n == 0 ? TG_CHAR_LETTER : TG_CHAR_ALPHANUMERIC)))
        n++;
    return n;
}

/* True for what a default holds: no end of a line, and nothing that quotes or nests. */
static bool environment_is_plain(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (memchr("\"'\\{$\r\n", s.p[i], 7) != NULL)
            return false;
    return true;
}

/* Splits "${NAME}" and "${NAME:-DEFAULT}"; without a default its `p` is NULL. Returns the length of
 * all, 0 when it is neither. */
static size_t split(struct tg_str s, struct tg_str *name, struct tg_str *fallback)
{
    struct tg_str inner = tg_str_skip(s, 2);
    const char *end = memchr(inner.p, '}', inner.n);

    if (end == NULL)
        return 0;
    inner.n = (size_t)(end - inner.p);
    *name = (struct tg_str){inner.p, name_length(inner)};
    *fallback = tg_str_skip(inner, name->n);
    if (name->n == 0)
        return 0;
    if (fallback->n == 0)
        fallback->p = NULL;
    else if (tg_str_starts(*fallback, TG_STR(":-")) && environment_is_plain(*fallback))
        *fallback = tg_str_skip(*fallback, 2);
    else
        return 0;
    return inner.n + 3;
}

/* False after it recorded what in a value no configuration may have. The value is not told: it may
 * be a secret. */
static bool check_value(struct tg_conf *c, const struct tg_conf_item *at, const char *name,
                        struct tg_str value)
{
    while (value.n > 0) {
        uint32_t code;
        size_t n = tg_utf8_decode(value, &code);

        if (n == 0 || code < 0x20 || code == 0x7f) {
            tg_conf_error(c, at, "the environment's \"%s\" holds byte 0x%02x, which is no text",
                          name, (unsigned char)value.p[0]);
            return false;
        }
        value = tg_str_skip(value, n);
    }
    return true;
}

/* As in the shell, ":-" also stands in for what is empty. */
static void environment_add_value(struct tg_conf *c, const struct tg_conf_item *at,
                                  struct tg_str name, struct tg_str fallback, struct tg_buf *out)
{
    const char *key = tg_arena_dup(c->arena, name).p;
    const char *found = getenv(key);
    struct tg_str value = tg_str_of(found != NULL ? found : "");

    if (value.n == 0 && fallback.p != NULL)
        value = fallback;
    else if (found == NULL)
        tg_conf_error(c, at, "\"%s\" is not set in the environment, and has no default", key);
    if (!check_value(c, at, key, value))
        return;
    c->expanded += value.n;
    if (c->expanded <= TG_CONF_MAX_FILE)
        tg_buf_add(out, value);
    else
        tg_conf_error(c, at, "what the environment adds is larger than 4m");
}

size_t tg_conf_variable(struct tg_conf *c, const struct tg_conf_item *at, struct tg_str text,
                        struct tg_buf *out)
{
    struct tg_str name, fallback;
    size_t n = split(text, &name, &fallback);

    if (n > 0)
        environment_add_value(c, at, name, fallback, out);
    else
        tg_conf_error(c, at,
                      "\"${\" begins ${NAME} or ${NAME:-DEFAULT}, taken from the environment; in "
                      "single quotes it stands for itself");
    return n;
}
