/* The method and path pattern of a location, and which location hides which. Pure. */
#include "base/chars.h"
#include "base/check.h"
#include "http/target.h"
#include "settings/internal.h"

/* What a path segment may hold (RFC 3986 section 3.3), without escapes and ';': the router compares
 * with the normalised path, which has no ';' and no escape that a pattern needs. */
static bool is_path_byte(char ch)
{
    return tg_char_is(ch, TG_CHAR_TARGET) && strchr("/?%;", ch) == NULL;
}

/* NULL, or what is wrong with one segment. */
static const char *check_segment(struct tg_str segment)
{
    if (segment.n == 0)
        return "must not have an empty segment or end with \"/\"";
    if (tg_str_eq(segment, TG_STR(".")) || tg_str_eq(segment, TG_STR("..")))
        return "must not have \".\" or \"..\" as a segment";
    if (tg_str_eq(segment, TG_STR("*")))
        return "takes \"{name}\" for any one segment, no \"*\"";
    if (tg_conf_parameter(segment) == segment.n)
        return NULL;
    for (size_t i = 0; i < segment.n; i++) {
        if (segment.p[i] == '{' || segment.p[i] == '}')
            return "may have \"{name}\" only as a whole segment";
        if (!is_path_byte(segment.p[i]))
            return "may have only letters, digits and -._~!$&'()*+,=:@";
    }
    return NULL;
}

/* Cuts the next segment off `*rest`, which begins with '/'. */
static struct tg_str next_segment(struct tg_str *rest)
{
    struct tg_str segment = tg_str_skip(*rest, 1);
    const char *slash = segment.n > 0 ? memchr(segment.p, '/', segment.n) : NULL;

    CHECK(rest->p[0] == '/');
    if (slash != NULL)
        segment.n = (size_t)(slash - segment.p);
    *rest = tg_str_skip(*rest, segment.n + 1);
    return segment;
}

/* NULL, or what is wrong with the names of a pattern whose segments are in order. Remembers which
 * of them are the two that are known. */
static const char *take_parameters(struct tg_location *l)
{
    struct tg_str names[TG_TARGET_PARAMETERS];
    int n = 0;

    l->project_id = -1;
    l->config_name = -1;
    for (struct tg_str rest = l->pattern; rest.n > 1;) {
        struct tg_str segment = next_segment(&rest);

        if (tg_conf_parameter(segment) == 0)
            continue;
        if (n == TG_TARGET_PARAMETERS)
            return "has more than 8 \"{name}\" segments";
        for (int i = 0; i < n; i++)
            if (tg_str_eq(names[i], segment))
                return "has the same \"{name}\" twice";
        if (tg_str_eq(segment, TG_STR("{project_id}")))
            l->project_id = n;
        if (tg_str_eq(segment, TG_STR("{config_name}")))
            l->config_name = n;
        names[n++] = segment;
    }
    return NULL;
}

static const char *check_pattern(struct tg_location *l)
{
    struct tg_str rest = l->pattern;

    if (rest.n == 0 || rest.p[0] != '/')
        return "must begin with \"/\"";
    while (rest.n > 0 && l->pattern.n > 1) {
        const char *why = check_segment(next_segment(&rest));

        if (why != NULL)
            return why;
    }
    return take_parameters(l);
}

/* Methods are compared byte by byte (RFC 9110 section 9.1), so "put" would match nothing. */
static bool is_method(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(tg_char_is(s.p[i], TG_CHAR_UPPER) || (s.p[i] == '-' && i > 0)))
            return false;
    return s.n > 0 && s.n <= 32;
}

/* The methods there are (IANA's registry): a location for another one would never be reached. */
static const char *const methods[] = {
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    NULL,
};

static bool is_known(struct tg_str method)
{
    const char *const *name = methods;

    while (*name != NULL && !tg_str_eq(method, tg_str_of(*name)))
        name++;
    return *name != NULL;
}

static void prepare(struct tg_conf *c, struct tg_location *l)
{
    size_t cap = l->pattern.n + TG_TARGET_SKELETON_MORE;

    tg_target_prepare(l->pattern, &l->prepared);
    l->skeleton = tg_target_skeleton(l->pattern, tg_arena_alloc(c->arena, cap), cap);
}

bool tg_location_name(struct tg_conf *c, const struct tg_conf_item *item, struct tg_location *l)
{
    const char *why;

    CHECK(item->nargs == 2 || item->nargs == 3);
    l->method = item->nargs == 3 ? item->args[1] : (struct tg_str){NULL, 0};
    l->pattern = item->args[item->nargs - 1];
    if (item->nargs == 3 && !is_method(l->method)) {
        if (l->method.n > 0 && strchr("~=^", l->method.p[0]) != NULL) /* as nginx has it */
            tg_conf_error(c, item,
                          "\"location\" takes no \"%s\", \"{name}\" matches any one segment",
                          l->method.p);
        else
            tg_conf_error(c, item, "\"location\" takes a method in capitals, got \"%s\"",
                          l->method.p);
        return false;
    }
    if (item->nargs == 3 && !is_known(l->method)) {
        tg_conf_unknown(c, item, "method", l->method, methods);
        return false;
    }
    why = check_pattern(l);
    if (why != NULL) {
        tg_conf_error(c, item, "the path of \"location\" %s, got \"%s\"", why, l->pattern.p);
        return false;
    }
    prepare(c, l);
    return true;
}

bool tg_location_covers(const struct tg_location *earlier, const struct tg_location *later)
{
    struct tg_str wide = earlier->pattern;
    struct tg_str narrow = later->pattern;

    if (earlier->method.n > 0 && !tg_str_eq(earlier->method, later->method))
        return false;
    if (tg_str_eq(wide, narrow))
        return true;
    if (tg_target_has_parameters(wide))
        return false;
    return wide.n == 1 || (tg_str_starts(narrow, wide) && narrow.p[wide.n] == '/');
}
