/* Reads Accept and Accept-Language, and chooses by their weights. */
#include "http/accept.h"

#include "http/fields.h"

/* Takes what stands before the next `stop` off *rest, without blanks around it. */
static struct tg_str next_part(struct tg_str *rest, char stop)
{
    const char *end = rest->n > 0 ? memchr(rest->p, stop, rest->n) : NULL;
    struct tg_str part = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, end != NULL ? part.n + 1 : part.n);
    return tg_str_trim(part);
}

/* qvalue: "0" or "1", and up to three decimals. */
static unsigned weight_of(struct tg_str text)
{
    unsigned weight = 0, unit = 1000;

    if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[1] != '.'))
        return 0;
    for (size_t i = 0; i < text.n; i += i == 0 ? 2 : 1, unit /= 10) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0;
        weight += (unsigned)(text.p[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : 0;
}

bool tg_accept_next(struct tg_str *list, struct tg_accept *out)
{
    struct tg_str rest;

    if (!tg_fields_next(list, &rest))
        return false;
    *out = (struct tg_accept){.range = next_part(&rest, ';'), .weight = 1000};
    while (rest.n > 0) {
        struct tg_str value = next_part(&rest, ';');
        struct tg_str name = next_part(&value, '=');

        if (tg_str_ieq(name, TG_STR("q")))
            out->weight = weight_of(tg_str_trim(value));
        else if (tg_str_ieq(name, TG_STR("version")))
            out->version = tg_str_trim(value);
    }
    return true;
}

unsigned tg_accept_weight(struct tg_str list, struct tg_str type, struct tg_str version)
{
    struct tg_accept one;
    unsigned most = 0;

    while (tg_accept_next(&list, &one))
        if (tg_str_ieq(one.range, type) && one.weight > most &&
            (version.n == 0 || one.version.n == 0 || tg_str_eq(one.version, version)))
            most = one.weight;
    return most;
}
