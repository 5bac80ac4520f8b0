/* Request heads, as strict as RFC 9112 allows. */
#include "http/request_head.h"

#include "base/address.h"
#include "base/chars.h"
#include "base/check.h"
#include "http/fields.h"

enum {
    MAX_EMPTY_LINES = 4,
    MAX_METHOD = 17, /* the longest registered one, UPDATEREDIRECTREF */
    MAX_HOST = 255,  /* RFC 1035 section 2.3.4 */
    VERSION_LENGTH = 8,
};

struct refusal {
    enum tg_error error;
    const char *why;
};

static bool request_head_refuse(struct refusal *r, enum tg_error error, const char *why)
{
    *r = (struct refusal){error, why};
    return false;
}

static bool refuse_bad(struct refusal *r, const char *why)
{
    return request_head_refuse(r, TG_E_BAD_REQUEST, why);
}

/* The registry of RFC 9110 section 16.1.1, usual ones first, without what a gateway cannot serve:
 * CONNECT (a tunnel) and PRI (the HTTP/2 preface). */
static const struct tg_str methods[] = {
    {"GET", 3},
    {"PUT", 3},
    {"POST", 4},
    {"HEAD", 4},
    {"DELETE", 6},
    {"PATCH", 5},
    {"OPTIONS", 7},
    {"TRACE", 5},
    {"ACL", 3},
    {"BASELINE-CONTROL", 16},
    {"BIND", 4},
    {"CHECKIN", 7},
    {"CHECKOUT", 8},
    {"COPY", 4},
    {"LABEL", 5},
    {"LINK", 4},
    {"LOCK", 4},
    {"MERGE", 5},
    {"MKACTIVITY", 10},
    {"MKCALENDAR", 10},
    {"MKCOL", 5},
    {"MKREDIRECTREF", 13},
    {"MKWORKSPACE", 11},
    {"MOVE", 4},
    {"ORDERPATCH", 10},
    {"PROPFIND", 8},
    {"PROPPATCH", 9},
    {"QUERY", 5},
    {"REBIND", 6},
    {"REPORT", 6},
    {"SEARCH", 6},
    {"UNBIND", 6},
    {"UNCHECKOUT", 10},
    {"UNLINK", 6},
    {"UNLOCK", 6},
    {"UPDATE", 6},
    {"UPDATEREDIRECTREF", MAX_METHOD},
    {"VERSION-CONTROL", 15},
};

static bool in_list(struct tg_str s, const struct tg_str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tg_str_eq(s, list[i]))
            return true;
    return false;
}

/* RFC 9110 section 9.1: method names are tokens and case-sensitive; 501 for those not known. */
static bool read_method(struct tg_str method, struct tg_request_head *head, struct refusal *r)
{
    if (!in_list(method, methods, sizeof(methods) / sizeof(methods[0])))
        return request_head_refuse(r, TG_E_NOT_IMPLEMENTED,
                                   tg_str_eq(method, TG_STR("CONNECT"))
                                       ? "CONNECT asks for a tunnel"
                                       : "method not known");
    head->method = method;
    head->is_head = tg_str_eq(method, TG_STR("HEAD"));
    return true;
}

/* RFC 9110 section 4.2.1: an http URI has a host; "[" and "]" hold an IPv6 address. Forms whose
 * meaning depends on the reader (percent-encoding, IPvFuture, zones) are refused. */
static bool host_valid(struct tg_str host)
{
    unsigned char ignored[16];

    if (host.n == 0 || host.n > MAX_HOST)
        return false;
    if (host.p[0] != '[')
        return tg_chars_are(host, TG_CHAR_HOST);
    return host.n >= 4 && host.p[host.n - 1] == ']' &&
           tg_address_read(AF_INET6, (struct tg_str){host.p + 1, host.n - 2}, ignored);
}

/* uri-host [":" port], RFC 9110 section 7.2; the port may be empty (RFC 3986 section 3.2.3). */
static bool authority_valid(struct tg_str authority)
{
    const char *bracket = authority.n > 0 ? memrchr(authority.p, ']', authority.n) : NULL;
    size_t skip = bracket != NULL ? (size_t)(bracket - authority.p) : 0;
    struct tg_str tail = tg_str_skip(authority, skip);
    const char *colon = tail.n > 0 ? memchr(tail.p, ':', tail.n) : NULL;
    struct tg_str port = {NULL, 0};
    uint64_t number = 1;

    if (colon != NULL) {
        port = tg_str_skip(authority, (size_t)(colon - authority.p) + 1);
        authority.n = (size_t)(colon - authority.p);
    }
    if (port.n > 0 && !tg_str_u64(port, &number))
        return false;
    return number >= 1 && number <= UINT16_MAX && host_valid(authority);
}

static const char bad_character[] =
    "character not allowed in the request target (RFC 3986 section 3)";

/* Behind "http://" or "https://" (any case, RFC 3986 section 3.1), or 0. */
static size_t scheme_length(struct tg_str target)
{
    if (target.n >= 7 && strncasecmp(target.p, "http://", 7) == 0)
        return 7;
    if (target.n >= 8 && strncasecmp(target.p, "https://", 8) == 0)
        return 8;
    return 0;
}

/* Absolute-form, RFC 9112 section 3.2.2. Its authority replaces the Host field. */
static bool read_absolute(struct tg_str target, struct tg_request_head *head, struct refusal *r)
{
    size_t skip = scheme_length(target);
    struct tg_str rest = tg_str_skip(target, skip);
    size_t n = 0;

    if (skip == 0)
        return refuse_bad(r, "request target of no known form (RFC 9112 section 3.2)");
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    head->authority = (struct tg_str){rest.p, n};
    head->target = tg_str_skip(rest, n);
    if (!authority_valid(head->authority))
        return refuse_bad(r, "malformed authority in the request target");
    if (!tg_chars_are(head->target, TG_CHAR_TARGET))
        return refuse_bad(r, bad_character);
    /* Section 3.2.1 asks the client for the "/" that is missing here, and a slice cannot add it. */
    if (head->target.n > 0 && head->target.p[0] == '?')
        return refuse_bad(r, "absolute-form with a query but no path");
    if (head->target.n == 0)
        head->target = tg_str_eq(head->method, TG_STR("OPTIONS")) ? TG_STR("*") : TG_STR("/");
    return true;
}

/* RFC 9112 section 3.2: origin-form, absolute-form, asterisk-form (OPTIONS only). */
static bool read_target(struct tg_str target, struct tg_request_head *head, struct refusal *r)
{
    if (target.n == 0)
        return refuse_bad(r, "empty request target or two spaces");
    head->authority = (struct tg_str){NULL, 0};
    head->target = target;
    if (target.p[0] == '/')
        return tg_chars_are(target, TG_CHAR_TARGET) || refuse_bad(r, bad_character);
    if (!tg_str_eq(target, TG_STR("*")))
        return read_absolute(target, head, r);
    if (!tg_str_eq(head->method, TG_STR("OPTIONS")))
        return refuse_bad(r, "\"*\" is for OPTIONS only (RFC 9112 section 3.2.4)");
    return true;
}

/* RFC 9112 section 3: method SP request-target SP HTTP-version, single spaces. `line` ends before
 * its LF. The version is judged first: in another version the rest means something else. */
static bool read_request_line(struct tg_str line, size_t max_line, struct tg_request_head *head,
                              struct refusal *r)
{
    size_t n = 0;
    struct tg_str target;
    const char *space;
    unsigned major;

    while (n < line.n && tg_char_is(line.p[n], TG_CHAR_TOKEN))
        n++;
    if (n == 0 || n == line.n || line.p[n] != ' ')
        return refuse_bad(r, "malformed method in the request line");
    target = tg_str_skip(line, n + 1);
    space = target.n > 0 ? memchr(target.p, ' ', target.n) : NULL;
    if (space == NULL)
        return refuse_bad(r, "request line without a version (HTTP/0.9)");
    target.n = (size_t)(space - target.p);
    if (target.n > max_line)
        return request_head_refuse(r, TG_E_URI_TOO_LONG, "request target too long");
    line = tg_str_skip(line, n + target.n + 2);
    if (line.n != VERSION_LENGTH + 1 || line.p[VERSION_LENGTH] != '\r')
        return refuse_bad(r, "malformed end of the request line");
    line.n = VERSION_LENGTH;
    if (!tg_fields_version(line, &major, &head->minor))
        return refuse_bad(r, "malformed HTTP version");
    if (major != 1)
        return request_head_refuse(r, TG_E_VERSION, "HTTP version not supported");
    return read_method((struct tg_str){target.p - n - 1, n}, head, r) &&
           read_target(target, head, r);
}

/* RFC 9112 section 3.2: exactly one Host on HTTP/1.1, also beside an absolute-form target, whose
 * authority wins (section 3.2.2). HTTP/1.0 may go without. */
static bool read_host(const struct tg_framing_fields *found, struct tg_request_head *head,
                      struct refusal *r)
{
    struct tg_str host = found->value[TG_FIELD_HOST];

    if (found->count[TG_FIELD_HOST] > 1)
        return refuse_bad(r, "more than one Host field");
    if (found->count[TG_FIELD_HOST] == 0)
        return head->minor == 0 || refuse_bad(r, "Host field missing");
    if (!authority_valid(host))
        return refuse_bad(r, "malformed Host field");
    if (head->authority.n == 0)
        head->authority = host;
    return true;
}

/* What to answer for a Transfer-Encoding that is not plain "chunked". RFC 9112 section 6.1: 501 for
 * a coding not understood. Section 6.3: 400 when chunked is not the last one, since then the length
 * cannot be known. Section 7.1: chunked never twice, never with parameters. */
static bool refuse_coding(struct tg_str codings, struct refusal *r)
{
    struct tg_str coding = {NULL, 0};
    bool chunked = false;

    while (!chunked && tg_fields_next(&codings, &coding) && tg_chars_are(coding, TG_CHAR_TOKEN))
        chunked = tg_str_ieq(coding, TG_STR("chunked"));
    return chunked && codings.n == 0
               ? request_head_refuse(r, TG_E_NOT_IMPLEMENTED, "transfer coding not supported")
               : refuse_bad(r, "Transfer-Encoding does not end with chunked, or is malformed");
}

/* The one place where the length of a request's body is decided: RFC 9112 sections 6.1 to 6.3. */
static bool decide_framing(const struct tg_framing_fields *found, struct tg_request_head *head,
                           struct refusal *r)
{
    struct tg_str coding = found->value[TG_FIELD_CODING];
    unsigned codings = found->count[TG_FIELD_CODING];
    unsigned lengths = found->count[TG_FIELD_LENGTH];

    head->length = 0;
    head->framing = TG_FRAMING_NONE; /* 6.3 rule 7: neither field, no body */
    if (codings > 0 && lengths > 0)  /* 6.3 rule 3: smuggling or splitting */
        return refuse_bad(r, "Content-Length and Transfer-Encoding");
    if (lengths > 1) /* 6.3 rule 5; identical ones are refused too */
        return refuse_bad(r, "more than one Content-Length");
    if (codings > 1) /* 7.1: chunked may be applied only once */
        return refuse_bad(r, "more than one Transfer-Encoding");
    if (codings > 0 && head->minor == 0) /* 6.1: faulty in HTTP/1.0 */
        return refuse_bad(r, "Transfer-Encoding in HTTP/1.0");
    if (codings > 0 && !tg_str_ieq(coding, TG_STR("chunked")))
        return refuse_coding(coding, r);
    if (codings > 0) /* 6.3 rule 4 */
        head->framing = TG_FRAMING_CHUNKED;
    if (lengths > 0) { /* 6.3 rules 5 and 6 */
        if (!tg_fields_length(found->value[TG_FIELD_LENGTH], &head->length))
            return refuse_bad(r, "malformed Content-Length");
        head->framing = TG_FRAMING_LENGTH;
    }
    /* RFC 9110 section 9.3.8 */
    if (head->framing != TG_FRAMING_NONE && tg_str_eq(head->method, TG_STR("TRACE")))
        return refuse_bad(r, "TRACE with a body");
    return true;
}

/* RFC 9110 section 10.1.1: 417 for what is not 100-continue; HTTP/1.0 clients do not know 100, and
 * nobody waits for it before an empty body. */
static bool read_expect(const struct tg_framing_fields *found, struct tg_request_head *head,
                        struct refusal *r)
{
    unsigned n = found->count[TG_FIELD_EXPECT];
    bool body = head->framing == TG_FRAMING_CHUNKED || head->length > 0;

    if (n > 1 || (n == 1 && !tg_str_ieq(found->value[TG_FIELD_EXPECT], TG_STR("100-continue"))))
        return request_head_refuse(r, TG_E_EXPECTATION, "Expect is not 100-continue");
    head->expect_continue = n == 1 && body && head->minor > 0;
    return true;
}

static bool read_fields(struct tg_str section, const struct tg_request_head_limits *limits,
                        struct tg_request_head *head, struct refusal *r)
{
    struct tg_framing_fields found;
    const char *why;
    enum tg_fields_result result = tg_fields_read(section, limits->max_field, limits->max_fields,
                                                  head->fields, &head->nfields, &why);

    if (result != TG_FIELDS_OK)
        return request_head_refuse(
            r, result == TG_FIELDS_TOO_LARGE ? TG_E_HEAD_TOO_LARGE : TG_E_BAD_REQUEST, why);
    why = tg_fields_framing(head->fields, head->nfields, &found);
    if (why != NULL)
        return refuse_bad(r, why);
    head->names_fields = found.names_fields;
    /* RFC 9112 section 9.3: close wins; HTTP/1.0 has to ask for more. */
    head->keep_alive = !found.close && (head->minor > 0 || found.keep_alive);
    return read_host(&found, head, r) && decide_framing(&found, head, r) &&
           read_expect(&found, head, r);
}

/* RFC 9112 section 2.2: empty lines before the request line are skipped. */
static size_t skip_empty_lines(struct tg_str in)
{
    size_t n = 0;

    while (n < 2 * MAX_EMPTY_LINES && in.n - n >= 2 && memcmp(in.p + n, "\r\n", 2) == 0)
        n += 2;
    return n;
}

/* A head whose end is not there: is what came so far still good? `fresh` is where the bytes that
 * no earlier call saw begin; only they are read, and the request line once it is complete. */
static bool judge_partial(struct tg_str in, size_t start, size_t fresh,
                          const struct tg_request_head_limits *limits, struct tg_request_head *head,
                          struct refusal *r)
{
    size_t longest = start + MAX_METHOD + 1 + limits->max_line + 1 + VERSION_LENGTH + 2;
    const char *why = tg_fields_suspect(in, fresh);
    const char *lf;

    if (in.n == fresh)
        return true;
    if (why != NULL)
        return refuse_bad(r, why);
    if (memchr(in.p + fresh, '\n', in.n - fresh) != NULL) {
        lf = memchr(in.p + start, '\n', in.n - start);
        if (lf >= in.p + fresh &&
            !read_request_line((struct tg_str){in.p + start, (size_t)(lf - in.p) - start},
                               limits->max_line, head, r))
            return false;
    } else if (fresh <= longest && in.n > longest &&
               memchr(in.p + start, '\n', in.n - start) == NULL) {
        return request_head_refuse(r, TG_E_URI_TOO_LONG, "request line too long");
    }
    if (in.n >= limits->max_head)
        return request_head_refuse(r, TG_E_HEAD_TOO_LARGE, "request head too large");
    return true;
}

static bool request_head_read_head(struct tg_str in, const struct tg_request_head_limits *limits,
                                   struct tg_request_head *head, struct refusal *r)
{
    const char *lf = memchr(in.p, '\n', in.n);
    size_t line;

    CHECK(lf != NULL);
    line = (size_t)(lf - in.p);
    return read_request_line((struct tg_str){in.p, line}, limits->max_line, head, r) &&
           read_fields(tg_str_skip(in, line + 1), limits, head, r);
}

enum tg_parse tg_request_head_parse(struct tg_str in, const struct tg_request_head_limits *limits,
                                    size_t *scanned, struct tg_request_head *head, size_t *used,
                                    enum tg_error *error, const char **why)
{
    struct refusal refusal = {TG_E_DONE, NULL};
    size_t start;
    size_t fresh;
    size_t end;
    bool good;

    CHECK(limits->max_fields <= TG_FIELDS_MAX && *scanned <= in.n);
    if (in.n > limits->max_head)
        in.n = limits->max_head;
    start = skip_empty_lines(in);
    fresh = *scanned > start ? *scanned : start;
    end = tg_fields_end(in, start, scanned);
    if (end != 0) {
        CHECK(end > start && end <= in.n);
        good = request_head_read_head((struct tg_str){in.p + start, end - start}, limits, head,
                                      &refusal);
        *used = end;
    } else {
        good = judge_partial(in, start, fresh, limits, head, &refusal);
    }
    if (good)
        return end != 0 ? TG_PARSE_DONE : TG_PARSE_MORE;
    CHECK(refusal.why != NULL && refusal.error != TG_E_DONE);
    *error = refusal.error;
    *why = refusal.why;
    return TG_PARSE_BAD;
}

/* RFC 9110 section 7.6.1, and whatever is meant for a proxy. Asked of every field: most have
 * another length, or another first letter. */
static bool never_goes_on(struct tg_str name)
{
    switch (name.n) {
    case 2:
        return tg_str_ieq(name, TG_STR("te"));
    case 7:
        if (tg_str_ieq(name, TG_STR("trailer")) || tg_str_ieq(name, TG_STR("upgrade")))
            return true;
        break;
    case 10:
        if (tg_str_ieq(name, TG_STR("connection")) || tg_str_ieq(name, TG_STR("keep-alive")))
            return true;
        break;
    case 17:
        if (tg_str_ieq(name, TG_STR("transfer-encoding")))
            return true;
        break;
    default:
        break;
    }
    return name.n > 6 && (name.p[0] | 0x20) == 'p' && strncasecmp(name.p, "proxy-", 6) == 0;
}

bool tg_request_head_hop_by_hop(struct tg_str name, struct tg_str connection)
{
    struct tg_str option;

    if (never_goes_on(name))
        return true;
    while (connection.n > 0 && tg_fields_next(&connection, &option))
        if (tg_str_ieq(name, option))
            return true;
    return false;
}
