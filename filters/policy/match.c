/* Which requests a policy or an exception is about: project, name, caller. */
#include "base/chars.h"
#include "base/check.h"
#include "http/methods.h"
#include "policy/internal.h"

/* Cheapest first: that is the order in which a list is tried. */
static const struct {
    const char *name;
    enum tg_policy_subject subject;
} subjects[] = {
    {"method", TG_MATCH_METHOD},       {"route", TG_MATCH_ROUTE},
    {"project_id", TG_MATCH_PROJECT},  {"config_name", TG_MATCH_CONFIG},
    {"principal", TG_MATCH_PRINCIPAL}, {"user", TG_MATCH_USER},
    {"domain", TG_MATCH_DOMAIN},       {"role", TG_MATCH_ROLE},
    {"client", TG_MATCH_CLIENT},       {"header", TG_MATCH_HEADER},
};

enum { SUBJECTS = sizeof(subjects) / sizeof(*subjects) };

/* --- reading --- */

static bool read_subject(struct tg_conf *c, const struct tg_conf_item *item,
                         struct tg_policy_match *m)
{
    const char *names[SUBJECTS + 1] = {NULL};

    for (size_t i = 0; i < SUBJECTS; i++) {
        names[i] = subjects[i].name;
        if (tg_str_eq(item->args[1], tg_str_of(names[i])))
            m->subject = subjects[i].subject;
    }
    if (m->subject == 0)
        tg_conf_unknown(c, item, m->unless ? "subject of \"unless\"" : "subject of \"match\"",
                        item->args[1], names);
    return m->subject != 0;
}

static bool read_pattern(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                         struct tg_policy_match *m)
{
    char why[TG_PATTERN_WHY];
    size_t offset;

    if (m->subject == TG_MATCH_CLIENT) {
        tg_conf_error(c, item, "\"%s client\" takes addresses, no pattern", item->args[0].p);
        return false;
    }
    m->pattern = tg_pattern_new(text, TG_PATTERN_MUST_NOT, why, &offset);
    if (m->pattern == NULL)
        tg_conf_error(c, item, "\"%s\" does not compile: %s at offset %zu", text.p, why, offset);
    return m->pattern != NULL;
}

static bool read_networks(struct tg_conf *c, const struct tg_conf_item *item,
                          struct tg_policy_match *m)
{
    bool ok = true;

    m->networks = tg_arena_zalloc(c->arena, m->nvalues, sizeof(*m->networks));
    for (unsigned i = 0; i < m->nvalues; i++) {
        const char *why = tg_network_read(m->values[i], &m->networks[i]);

        if (why == NULL)
            continue;
        tg_conf_error(c, item, "\"%s\" %s", m->values[i].p, why);
        ok = false;
    }
    return ok;
}

/* RFC 9110 section 5.1: what is no token is the name of no field. */
static bool read_header(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str *out)
{
    *out = item->args[2];
    if (out->n > 0 && tg_chars_are(*out, TG_CHAR_TOKEN))
        return true;
    tg_conf_error(c, item, "\"%s header\" takes the name of a field such as X-Team, got \"%s\"",
                  item->args[0].p, out->p);
    return false;
}

/* False for what no request has: what is empty is not known, the router takes only names for
 * {project_id} and {config_name} (contract section 1), and the value of a field has no blanks
 * around it and no control characters (RFC 9110 section 5.5). */
static bool can_be(enum tg_policy_subject subject, struct tg_str value)
{
    if (subject == TG_MATCH_PROJECT || subject == TG_MATCH_CONFIG)
        return value.n > 0 && value.n <= 64 && tg_chars_are(value, TG_CHAR_NAME);
    if (subject == TG_MATCH_HEADER)
        return value.n > 0 && tg_chars_are(value, TG_CHAR_TEXT) && tg_str_trim(value).n == value.n;
    return value.n > 0;
}

/* False after it recorded that no request has a value. */
static bool check_value(struct tg_conf *c, const struct tg_policy_match *m, struct tg_str value)
{
    bool named = m->subject == TG_MATCH_PROJECT || m->subject == TG_MATCH_CONFIG;

    if (m->subject == TG_MATCH_METHOD && !tg_method_is_known(value)) {
        tg_conf_unknown(c, m->item, "method", value, tg_methods);
        return false;
    }
    if (m->subject == TG_MATCH_ROUTE && !tg_str_starts(value, TG_STR("/"))) {
        tg_conf_error(c, m->item,
                      "\"%s route\" takes the path of a location as it is written, got \"%s\"",
                      m->item->args[0].p, value.p);
        return false;
    }
    if (can_be(m->subject, value))
        return true;
    tg_conf_error(c, m->item, "no request has the %s \"%s\"%s", subjects[m->subject - 1].name,
                  value.p, named ? ", a pattern stands behind \"~\"" : "");
    return false;
}

/* "in TABLE". */
static bool read_table(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str name,
                       struct tg_policy_match *m)
{
    m->in = name;
    m->row = tg_arena_zalloc(c->arena, 1, sizeof(*m->row));
    if (m->subject != TG_MATCH_CLIENT)
        return true;
    tg_conf_error(c, item, "\"%s client\" takes addresses, no table", item->args[0].p);
    return false;
}

bool tg_policy_match_settle(struct tg_conf *c, struct tg_policy_match *m,
                            struct tg_policy_table *tables)
{
    if (m->in.n == 0)
        return true;
    m->table = tg_policy_table_named(tables, m->in);
    return m->table != NULL || tg_policy_table_unknown(c, m->item, tables, m->in);
}

/* What stands behind the subject (and the header's name): values, or "~" and a pattern. */
static bool read_values(struct tg_conf *c, const struct tg_conf_item *item, unsigned from,
                        struct tg_policy_match *m)
{
    unsigned n = item->nargs > from ? item->nargs - from : 0;
    bool pattern = n > 0 && tg_str_eq(item->args[from], TG_STR("~"));

    if (n == 0 || (pattern && n != 2)) {
        tg_conf_error(c, item, "\"%s %s\" takes values, or \"~\" and one pattern", item->args[0].p,
                      item->args[1].p);
        return false;
    }
    if (pattern)
        return read_pattern(c, item, item->args[from + 1], m);
    if (n == 2 && tg_str_eq(item->args[from], TG_STR("in")))
        return read_table(c, item, item->args[from + 1], m);
    m->nvalues = n;
    m->values = tg_arena_zalloc(c->arena, n, sizeof(*m->values));
    for (unsigned i = 0; i < n; i++) {
        m->values[i] = item->args[from + i];
        if (!check_value(c, m, m->values[i]))
            return false;
    }
    return m->subject != TG_MATCH_CLIENT || read_networks(c, item, m);
}

/* The order of trying: literals before patterns, then as the table has them. */
static unsigned cost(const struct tg_policy_match *m)
{
    return (m->pattern != NULL ? SUBJECTS + 1 : 0) + (unsigned)m->subject;
}

bool tg_policy_match_read(struct tg_conf *c, const struct tg_conf_item *item,
                          struct tg_policy_match **list)
{
    struct tg_policy_match *m = tg_arena_zalloc(c->arena, 1, sizeof(*m));
    unsigned from = 2;

    CHECK(item->nargs >= 3);
    m->item = item;
    m->unless = tg_str_eq(item->args[0], TG_STR("unless"));
    if (!read_subject(c, item, m))
        return false;
    if (m->subject == TG_MATCH_HEADER && !read_header(c, item, &m->header))
        return false;
    from += m->subject == TG_MATCH_HEADER;
    if (!read_values(c, item, from, m))
        return false;
    while (*list != NULL && cost(*list) <= cost(m))
        list = &(*list)->next;
    m->next = *list;
    *list = m;
    return true;
}

void tg_policy_match_end(struct tg_policy_match *list)
{
    for (; list != NULL; list = list->next) {
        tg_pattern_end(list->pattern);
        list->pattern = NULL;
    }
}

/* --- lists that no request meets --- */

static bool match_has_value(const struct tg_policy_match *m, struct tg_str value)
{
    for (unsigned i = 0; i < m->nvalues; i++)
        if (tg_str_eq(m->values[i], value))
            return true;
    return false;
}

/* True when every value of `a` is one of `b`. */
static bool includes(const struct tg_policy_match *a, const struct tg_policy_match *b)
{
    for (unsigned i = 0; i < a->nvalues; i++)
        if (!match_has_value(b, a->values[i]))
            return false;
    return true;
}

/* True when two literal matches of one subject cannot both hold. A request has one project and one
 * config; it may have two principals. */
static bool exclude(const struct tg_policy_match *a, const struct tg_policy_match *b)
{
    if (a->subject != b->subject || a->subject > TG_MATCH_CONFIG || a->nvalues == 0 ||
        b->nvalues == 0 || (a->unless && b->unless))
        return false;
    if (a->unless != b->unless)
        return a->unless ? includes(b, a) : includes(a, b);
    for (unsigned i = 0; i < a->nvalues; i++)
        if (match_has_value(b, a->values[i]))
            return false;
    return true;
}

void tg_policy_match_check(struct tg_conf *c, const struct tg_policy_match *list)
{
    for (const struct tg_policy_match *m = list; m != NULL; m = m->next) {
        for (const struct tg_policy_match *o = list; o != m; o = o->next)
            if (exclude(o, m))
                tg_conf_error(c, m->item, "no request meets both this and the \"%s\" in %s:%u,",
                              o->item->args[0].p, o->item->file, o->item->line);
    }
}

/* --- matching --- */

static enum tg_policy_met met_by(enum tg_pattern_result result)
{
    static const enum tg_policy_met answers[] = {
        [TG_PATTERN_NO] = TG_POLICY_NOT_MET,
        [TG_PATTERN_YES] = TG_POLICY_MET,
        [TG_PATTERN_ERROR] = TG_POLICY_NOT_KNOWN,
    };

    CHECK(result >= TG_PATTERN_NO && result <= TG_PATTERN_ERROR);
    return answers[result];
}

/* Of several texts the first that has a row decides which that is. */
static enum tg_policy_met match_look_up(const struct tg_policy_match *m, struct tg_str text)
{
    const struct tg_policy_row *row = tg_policy_table_find(m->table, text);

    if (*m->row == NULL)
        *m->row = row;
    return row != NULL ? TG_POLICY_MET : TG_POLICY_NOT_MET;
}

static enum tg_policy_met match_text(const struct tg_policy_match *m, struct tg_request *r,
                                     struct tg_str text)
{
    if (text.n == 0)
        return TG_POLICY_NOT_KNOWN;
    if (m->pattern != NULL)
        return met_by(tg_pattern_match(m->pattern, text, &r->pattern_steps));
    if (m->table != NULL)
        return match_look_up(m, text);
    return match_has_value(m, text) ? TG_POLICY_MET : TG_POLICY_NOT_MET;
}

static enum tg_policy_met match_client(const struct tg_policy_match *m, struct tg_str text)
{
    struct in6_addr client;

    if (!tg_network_address(text, &client))
        return TG_POLICY_NOT_KNOWN; /* a Unix socket has none */
    for (unsigned i = 0; i < m->nvalues; i++)
        if (tg_network_has(&m->networks[i], &client))
            return TG_POLICY_MET;
    return TG_POLICY_NOT_MET;
}

/* The better known of two answers about one subject that may stand twice: any that is met will do.
 */
static enum tg_policy_met either(enum tg_policy_met a, enum tg_policy_met b)
{
    if (a == TG_POLICY_MET || b == TG_POLICY_MET)
        return TG_POLICY_MET;
    return a == TG_POLICY_NOT_KNOWN || b == TG_POLICY_NOT_KNOWN ? TG_POLICY_NOT_KNOWN
                                                                : TG_POLICY_NOT_MET;
}

/* Any field of the name will do. */
static enum tg_policy_met match_header(const struct tg_policy_match *m, struct tg_request *r)
{
    enum tg_policy_met result = TG_POLICY_NOT_MET;
    bool there = false;

    for (unsigned i = 0; i < r->nfields; i++) {
        if (!tg_str_ieq(r->fields[i].name, m->header))
            continue;
        result = either(result, match_text(m, r, r->fields[i].value));
        there = true;
    }
    return there ? result : TG_POLICY_NOT_KNOWN;
}

/* The name of a proven certificate stands behind "tls:", which no access key begins with: one that
 * does claims to be what it is not, so who that caller is is not known. */
static enum tg_policy_met match_principal(const struct tg_policy_match *m, struct tg_request *r)
{
    const struct tg_str prefix = TG_STR("tls:");
    struct tg_str claimed = r->principal;
    struct tg_str proven;

    if (!r->auth_verified && tg_str_starts(claimed, prefix))
        claimed.n = 0;
    if (r->tls_principal.n == 0)
        return match_text(m, r, claimed);
    proven =
        tg_arena_printf(r->arena, "%.*s%.*s", TG_STR_ARG(prefix), TG_STR_ARG(r->tls_principal));
    if (claimed.n == 0)
        return match_text(m, r, proven);
    return either(match_text(m, r, claimed), match_text(m, r, proven));
}

/* Whether one of several texts is met: any will do. */
static enum tg_policy_met match_texts(const struct tg_policy_match *m, struct tg_request *r,
                                      const struct tg_str *texts, unsigned n)
{
    enum tg_policy_met result = TG_POLICY_NOT_MET;

    for (unsigned i = 0; i < n; i++)
        result = either(result, match_text(m, r, texts[i]));
    return result;
}

static enum tg_policy_met match_live(const struct tg_policy_match *m, struct tg_request *r,
                                     enum tg_live_name name)
{
    const struct tg_live_value *value = tg_live_read(r, name);

    if (value->state == TG_LIVE_UNKNOWN)
        return TG_POLICY_NOT_KNOWN;
    if (value->state == TG_LIVE_ABSENT)
        return TG_POLICY_NOT_MET;
    if (tg_live_infos[name].kind == TG_LIVE_LIST)
        return match_texts(m, r, value->items, value->nitems);
    return match_text(m, r, value->text);
}

/* By the id, or as DOMAIN/NAME: anybody may have a domain in which users are called as they like.
 */
static enum tg_policy_met match_user(const struct tg_policy_match *m, struct tg_request *r)
{
    const struct tg_live_value *name = tg_live_read(r, TG_LIVE_USER_NAME);
    const struct tg_live_value *domain = tg_live_read(r, TG_LIVE_DOMAIN);
    enum tg_policy_met result = match_live(m, r, TG_LIVE_USER_ID);
    struct tg_str full = {NULL, 0};

    if (name->state == TG_LIVE_KNOWN && domain->state == TG_LIVE_KNOWN)
        full = tg_arena_printf(r->arena, "%.*s/%.*s", TG_STR_ARG(domain->text),
                               TG_STR_ARG(name->text));
    return either(result, match_text(m, r, full));
}

static enum tg_policy_met match_subject(const struct tg_policy_match *m, struct tg_request *r)
{
    switch (m->subject) {
    case TG_MATCH_METHOD:
        return match_text(m, r, r->method);
    case TG_MATCH_ROUTE:
        return match_text(m, r, r->route);
    case TG_MATCH_USER:
        return match_user(m, r);
    case TG_MATCH_DOMAIN:
        return match_live(m, r, TG_LIVE_DOMAIN);
    case TG_MATCH_ROLE:
        return match_live(m, r, TG_LIVE_ROLES);
    case TG_MATCH_PROJECT:
        return match_text(m, r, r->project_id);
    case TG_MATCH_CONFIG:
        return match_text(m, r, tg_request_config_name(r));
    case TG_MATCH_PRINCIPAL:
        return match_principal(m, r);
    case TG_MATCH_CLIENT:
        return match_client(m, r->client_address);
    case TG_MATCH_HEADER:
        return match_header(m, r);
    }
    TG_UNREACHABLE();
}

static enum tg_policy_met match_one(const struct tg_policy_match *m, struct tg_request *r)
{
    enum tg_policy_met result;

    if (m->row != NULL)
        *m->row = NULL;
    result = match_subject(m, r);
    if (result == TG_POLICY_NOT_KNOWN) {
        tg_report_unknown(&r->report, subjects[m->subject - 1].name);
        return result;
    }
    return (result == TG_POLICY_MET) != m->unless ? TG_POLICY_MET : TG_POLICY_NOT_MET;
}

static void trace_match(const struct tg_request *r, const struct tg_policy_match *m,
                        enum tg_policy_met met)
{
    TG_TRACE(r, "%s %s (%s:%u): %s", m->item->args[0].p, subjects[m->subject - 1].name,
             m->item->file, m->item->line, met == TG_POLICY_NOT_MET ? "not met" : "not known");
}

enum tg_policy_met tg_policy_match_request(const struct tg_policy_match *list, struct tg_request *r)
{
    enum tg_policy_met result = TG_POLICY_MET;

    for (; list != NULL; list = list->next) {
        enum tg_policy_met one = match_one(list, r);

        if (one != TG_POLICY_MET)
            trace_match(r, list, one);
        if (one == TG_POLICY_NOT_MET)
            return one;
        if (one == TG_POLICY_NOT_KNOWN)
            result = one;
    }
    return result;
}

bool tg_policy_match_asks(const struct tg_policy_match *list, enum tg_policy_subject subject)
{
    while (list != NULL && list->subject != subject)
        list = list->next;
    return list != NULL;
}

uint32_t tg_policy_match_live(const struct tg_policy_match *m)
{
    const uint32_t one = 1;

    switch (m->subject) {
    case TG_MATCH_USER:
        return one << TG_LIVE_USER_ID | one << TG_LIVE_USER_NAME | one << TG_LIVE_DOMAIN;
    case TG_MATCH_DOMAIN:
        return one << TG_LIVE_DOMAIN;
    case TG_MATCH_ROLE:
        return one << TG_LIVE_ROLES;
    default:
        return 0;
    }
}
