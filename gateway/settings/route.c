/* The method and path pattern of a location, and which location hides which. Pure. */
#include "base/chars.h"
#include "base/check.h"
#include "http/methods.h"
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

static void prepare(struct tg_conf *c, struct tg_location *l)
{
    size_t cap = l->pattern.n + TG_TARGET_SKELETON_MORE;

    tg_target_prepare(l->pattern, &l->prepared);
    l->skeleton = tg_target_skeleton(l->pattern, false, tg_arena_alloc(c->arena, cap), cap);
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
    if (item->nargs == 3 && !tg_method_is_known(l->method)) {
        tg_conf_unknown(c, item, "method", l->method, tg_methods);
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

/* --- routing --- */

static void take_values(struct tg_request *r, const struct tg_location *l,
                        const struct tg_str *values, unsigned n)
{
    CHECK(l->project_id < (int)n && l->config_name < (int)n);
    r->route = l->pattern;
    r->project_id = l->project_id >= 0 ? values[l->project_id] : (struct tg_str){NULL, 0};
    r->config_name = l->config_name >= 0 ? values[l->config_name] : (struct tg_str){NULL, 0};
}

static bool takes_method(const struct tg_location *l, const struct tg_request *r)
{
    struct tg_str method = l->method;

    return method.n == 0 ||
           (method.n == r->method.n && tg_str_same(method.p, r->method.p, method.n));
}

/* A host without the usual port, which may be empty (RFC 3986 section 6.2.3). */
static struct tg_str without_port(struct tg_str host, struct tg_str usual)
{
    if (tg_str_ends(host, usual))
        host.n -= usual.n;
    else if (tg_str_ends(host, TG_STR(":")))
        host.n--;
    return host;
}

static bool same_host(struct tg_str a, struct tg_str b, struct tg_str usual_port)
{
    return tg_str_ieq(without_port(a, usual_port), without_port(b, usual_port));
}

bool tg_upstream_conf_accepts_host(const struct tg_upstream_conf *u, struct tg_str host)
{
    struct tg_str port = u->tls ? TG_STR(":443") : TG_STR(":80");

    for (unsigned i = 1; u->accept_host != NULL && i < u->accept_host->nargs; i++)
        if (same_host(u->accept_host->args[i], host, port))
            return true;
    if (u->accept_host != NULL)
        return false;
    for (const struct tg_upstream_server *o = u->servers; o != NULL; o = o->next)
        if (same_host(tg_str_of(o->text), host, port))
            return true;
    return u->host.n > 0 && same_host(u->host, host, port);
}

/* Methods that change nothing (RFC 9110 section 9.2.1). */
static bool is_safe(struct tg_str method)
{
    return tg_str_eq(method, TG_STR("GET")) || tg_str_eq(method, TG_STR("HEAD")) ||
           tg_str_eq(method, TG_STR("OPTIONS"));
}

/* The path of a target, and what follows it from its "?" on. */
static struct tg_str split_target(struct tg_str target, struct tg_str *query)
{
    const char *mark = memchr(target.p, '?', target.n);
    size_t n = mark != NULL ? (size_t)(mark - target.p) : target.n;

    *query = tg_str_skip(target, n);
    return (struct tg_str){target.p, n};
}

/* True when the request is for another method of the location's very path: that is no disguise. */
static bool is_other_method(const struct tg_location *l, const struct tg_request *r)
{
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;

    return r->odd_path == NULL && !tg_str_ieq(l->method, r->method) &&
           tg_target_match(&l->prepared, r->path, values, TG_TARGET_PARAMETERS, &n);
}

/* The guarded location that a skeleton fits, or NULL. The first one that it fits decides, as the
 * router's first match does. */
static const struct tg_location *fitting(const struct tg_server_conf *s, const struct tg_request *r,
                                         struct tg_str skeleton)
{
    for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
        if (!tg_target_resembles(l->skeleton, skeleton))
            continue;
        if (tg_location_guards(l))
            return l;
        if (takes_method(l, r))
            return NULL;
    }
    return NULL;
}

/* The path as it is for a server that takes an empty segment for the value of a {name}. */
static struct tg_str fill_empty(const struct tg_request *r, struct tg_str path)
{
    struct tg_str filled = {tg_arena_alloc(r->arena, 2 * path.n), 0};
    char *out = (char *)(uintptr_t)filled.p;

    for (size_t i = 0; i < path.n; i++) {
        if (i > 0 && path.p[i - 1] == '/' && path.p[i] == '/')
            out[filled.n++] = '=';
        out[filled.n++] = path.p[i];
    }
    return filled;
}

/* `segments` as in tg_target_skeleton(). */
static const struct tg_location *resembled(const struct tg_server_conf *s,
                                           const struct tg_request *r, struct tg_str path,
                                           bool segments)
{
    size_t cap = path.n + TG_TARGET_SKELETON_MORE;
    char *out = tg_arena_alloc(r->arena, cap);

    return fitting(s, r, tg_target_skeleton(path, segments, out, cap));
}

/* The guarded location that a server more lenient than the router may see in the target, or NULL.
 */
static const struct tg_location *find_resembled(const struct tg_server_conf *s,
                                                const struct tg_request *r)
{
    struct tg_str query;
    struct tg_str path = split_target(r->target, &query);
    const struct tg_location *l = resembled(s, r, path, false);

    if (l == NULL && memchr(path.p, '%', path.n) != NULL)
        l = resembled(s, r, path, true);
    if (l == NULL && memmem(path.p, path.n, "//", 2) != NULL)
        l = resembled(s, r, fill_empty(r, path), false);
    return l;
}

/* Frameworks take the method from a parameter, too: one of a name of their own, or one that is
 * called like the field. */
static bool is_method_name(struct tg_str name)
{
    static const struct tg_str begin[] = {
        {"_method", 7}, {"method_override", 15}, {"x-http-method-override", 22}};
    size_t n = 0;

    for (size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++)
        if (name.n >= begin[i].n && tg_str_ieq((struct tg_str){name.p, begin[i].n}, begin[i]))
            return true;
    while (n < name.n && strchr("?&;=[", name.p[n]) == NULL)
        n++;
    return tg_request_is_override((struct tg_str){name.p, n});
}

static bool names_method(const struct tg_request *r)
{
    struct tg_str rest;
    size_t cap;

    (void)split_target(r->target, &rest);
    if (rest.n == 0)
        return false;
    cap = rest.n + TG_TARGET_SKELETON_MORE;
    rest = tg_target_decode(rest, tg_arena_alloc(r->arena, cap), cap);
    for (; rest.n > 0; rest = tg_str_skip(rest, 1))
        if (strchr("?&;", *rest.p) != NULL && is_method_name(tg_str_skip(rest, 1)))
            return true;
    return false;
}

static const char two_methods[] = "a parameter of the query names another method";

/* Whether a request that the router would send to `l` (NULL: nowhere) may go there. */
static bool route_is_plain(const struct tg_server_conf *s, const struct tg_request *r,
                           const struct tg_location *l, struct tg_no_route *why)
{
    bool override = names_method(r);
    const struct tg_location *like;

    if (l != NULL && tg_location_guards(l)) {
        why->ambiguous = override ? two_methods : r->odd_path;
        return why->ambiguous == NULL;
    }
    if (is_safe(r->method) && !override)
        return true;
    like = find_resembled(s, r);
    if (like == NULL)
        return true;
    if (override)
        why->ambiguous = two_methods;
    else if (!is_other_method(like, r))
        why->resembled = like->pattern;
    if (why->resembled.n > 0)
        why->wrong_method = false;
    return why->ambiguous == NULL && why->resembled.n == 0;
}

static const struct tg_location *find_location(const struct tg_server_conf *s, struct tg_request *r,
                                               struct tg_no_route *why)
{
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;

    for (const struct tg_location *l = s->locations; l != NULL; l = l->next) {
        if (!tg_target_match(&l->prepared, r->path, values, TG_TARGET_PARAMETERS, &n))
            continue;
        if (takes_method(l, r)) {
            why->wrong_method = false;
            take_values(r, l, values, n);
            return l;
        }
        why->wrong_method = true;
    }
    return NULL;
}

const struct tg_location *tg_settings_route(const struct tg_server_conf *s, struct tg_request *r,
                                            struct tg_no_route *why)
{
    const struct tg_location *l;

    *why = (struct tg_no_route){0};
    l = find_location(s, r, why);
    return route_is_plain(s, r, l, why) ? l : NULL;
}

static const char *no_route_text(const struct tg_no_route *why)
{
    if (why->ambiguous != NULL)
        return why->ambiguous;
    if (why->resembled.n > 0)
        return "the path resembles a guarded one";
    return why->wrong_method ? "patterns match, but no method does" : "no pattern matches";
}

void tg_location_trace(const struct tg_location *l, const struct tg_request *r,
                       const struct tg_no_route *why)
{
    if (l == NULL)
        TG_TRACE(r, "\"%.*s %.*s\" has no location: %s%s%.*s", TG_STR_ARG(r->method),
                 TG_STR_ARG(tg_target_shown(r->path)), no_route_text(why),
                 why->resembled.n > 0 ? ", " : "", TG_STR_ARG(why->resembled));
    else
        TG_TRACE(r,
                 "\"%.*s %.*s\" goes to location \"%.*s%s%.*s\" (%s:%u), %u filters, upstream "
                 "%.*s, project_id \"%.*s\", config_name \"%.*s\"",
                 TG_STR_ARG(r->method), TG_STR_ARG(tg_target_shown(r->path)), TG_STR_ARG(l->method),
                 l->method.n > 0 ? " " : "", TG_STR_ARG(l->pattern), l->file, l->line, l->filters.n,
                 TG_STR_ARG(l->upstream->name), TG_STR_ARG(r->project_id),
                 TG_STR_ARG(r->config_name));
}
