/* `trainguard sign --explain`: what a request's signature covers, and why it does not hold. */
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/key.h"
#include "http/request_head.h"
#include "http/target.h"
#include "signing/signature.h"
#include "signing/verify.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_CANNOT = 2, SKEW = 900 /* seconds, what the service allows */ };

struct sign {
    const char *keys_file;
    const char *at;        /* the gateway's clock, or NULL: now */
    const char *host;      /* what the client may have signed for, or NULL */
    const char *canonical; /* a file with the client's own canonical request, or NULL */
    const char *request;
    bool explain;
    int status;
    struct tg_client_keys *keys;
    struct tg_signing_conf conf;
    struct tg_request r;
    struct tg_arena arena;
};

static void sign_usage(void)
{
    fputs(
        "Usage: trainguard sign --explain --keys FILE [OPTION...] REQUEST\n\n"
        "Judges the signature of a request as the filter `verify` does, and shows the canonical\n"
        "request and the string to sign. REQUEST is a file with the bytes of one HTTP/1.1 "
        "request,\n"
        "head and body, or - for standard input.\n\n"
        "  --keys FILE         the file of `client_keys` that has the access key\n"
        "  --at DATE           the gateway's clock, YYYYMMDDTHHMMSSZ (default: now)\n"
        "  --host NAME         a Host the client may have signed for\n"
        "  --canonical FILE    the canonical request that the client made: shows where they part\n"
        "  -h, --help          print this and exit\n\n"
        "Exit status: 0 the signature holds, 1 it does not, 2 something could not be read, or "
        "wrong\n"
        "usage.\n",
        stdout);
}

/* --- the request --- */

static bool cannot(const char *what, const char *why)
{
    tg_complain("trainguard sign: %s: %s", what, why);
    return false;
}

/* Files made by hand have lines that end with LF alone. */
static struct tg_str with_crlf(struct sign *s, struct tg_str raw)
{
    const char *end = memmem(raw.p, raw.n, "\n\n", 2);
    struct tg_buf out = {0};
    struct tg_str got;

    if (end == NULL || memmem(raw.p, (size_t)(end - raw.p), "\r\n", 2) != NULL)
        return raw;
    for (const char *p = raw.p; p < end + 2; p++)
        tg_buf_add(&out, *p == '\n' ? TG_STR("\r\n") : (struct tg_str){p, 1});
    tg_buf_add(&out, tg_str_skip(raw, (size_t)(end + 2 - raw.p)));
    got = tg_arena_dup(&s->arena, tg_buf_str(&out));
    tg_buf_end(&out);
    return got;
}

static bool read_request(struct sign *s, struct tg_str raw)
{
    static struct tg_request_head head;
    const struct tg_request_head_limits limits = {131072, 32768, 32768, TG_FIELDS_MAX};
    struct tg_request *r = &s->r;
    enum tg_error error = TG_E_BAD_REQUEST;
    struct tg_target target;
    size_t scanned = 0, used = 0;
    const char *why = "it has no end of its head";

    raw = with_crlf(s, raw);
    if (tg_request_head_parse(raw, &limits, &scanned, &head, &used, &error, &why) != TG_PARSE_DONE)
        return cannot(s->request, why);
    tg_request_init(r, &s->arena);
    r->method = head.method;
    r->target = r->raw_target = head.target;
    r->fields = head.fields;
    r->nfields = head.nfields;
    r->body = tg_str_skip(raw, used);
    if (head.framing == TG_FRAMING_LENGTH && head.length < r->body.n)
        r->body.n = (size_t)head.length;
    if (!tg_target_normalize(r->target, tg_arena_alloc(&s->arena, r->target.n + 1), r->target.n + 1,
                             &target, &why))
        return cannot(s->request, why);
    r->path = target.path;
    why = tg_request_identify(r);
    if (why == NULL && r->credentials != TG_CRED_SIGNED)
        why = "it has no signature";
    return why == NULL || cannot(s->request, why);
}

/* --- what is printed --- */

static void print_lines(const char *title, struct tg_str text)
{
    printf("%s:\n", title);
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;

        printf("  %.*s\n", (int)n, text.p);
        text = tg_str_skip(text, end != NULL ? n + 1 : n);
    }
}

/* The canonical request, in the form that held or the documented one. */
static void canonical(struct sign *s, const struct tg_authorization *a, struct tg_buf *out)
{
    struct tg_signing_request request = {s->r.method, s->r.raw_target, s->r.fields, s->r.nfields};
    struct tg_str claimed = tg_signing_field(&request, TG_STR(TG_SIGNING_HASH_FIELD)), bad;
    unsigned char digest[TG_SHA256];
    char hex[TG_SHA256_HEX];

    tg_sha256(s->r.body, digest);
    tg_hex(digest, TG_SHA256, hex);
    if (claimed.p == NULL || (s->r.auth_form & TG_FORM_EMPTY_HASH) != 0)
        claimed = (struct tg_str){hex, TG_SHA256_HEX};
    if (tg_canonical_request(&request, a->signed_fields, claimed, s->r.auth_form, out, &bad) !=
        TG_CANONICAL_OK)
        tg_buf_puts(out, "(it cannot be made)");
}

static void print_texts(struct sign *s, const struct tg_authorization *a, struct tg_str text)
{
    struct tg_str date = tg_request_field(&s->r, TG_STR("X-Sdk-Date"));
    unsigned char digest[TG_SHA256];
    char hex[TG_SHA256_HEX];

    print_lines("canonical request", text);
    tg_sha256(text, digest);
    tg_hex(digest, TG_SHA256, hex);
    printf("string to sign:\n  %s\n  %.*s\n", tg_authorization_scheme_word(a->scheme).p,
           TG_STR_ARG(date));
    if (a->scope.n > 0)
        printf("  %.*s\n", TG_STR_ARG(a->scope));
    printf("  %.*s\n", TG_SHA256_HEX, hex);
}

/* --- why it does not hold: what a client may have signed instead --- */

static bool holds(const struct tg_authorization *a, const struct tg_request *r,
                  struct tg_str secret)
{
    struct tg_signing_request request = {r->method, r->raw_target, r->fields, r->nfields};
    struct tg_signature_check got;
    struct tg_buf scratch = {0};

    tg_signature_verify(&request, a, secret, r->body, true, &scratch, &got);
    tg_buf_wipe(&scratch);
    tg_buf_end(&scratch);
    return got.verdict == TG_SIGNATURE_OK;
}

/* Tries another value of a field that is there. */
static bool try_field(struct sign *s, const struct tg_authorization *a, struct tg_str secret,
                      const char *name, struct tg_str value)
{
    struct tg_field *fields = tg_arena_alloc(&s->arena, s->r.nfields * sizeof(*fields));
    struct tg_request other = s->r;

    memcpy(fields, s->r.fields, s->r.nfields * sizeof(*fields));
    other.fields = fields;
    for (unsigned i = 0; i < other.nfields; i++)
        if (tg_str_ieq(fields[i].name, tg_str_of(name)))
            fields[i].value = value;
    if (!holds(a, &other, secret))
        return false;
    printf("differs: %s was signed as \"%.*s\", and came as \"%.*s\"\n", name, TG_STR_ARG(value),
           TG_STR_ARG(tg_request_field(&s->r, tg_str_of(name))));
    return true;
}

static bool try_body(struct sign *s, const struct tg_authorization *a, struct tg_str secret,
                     struct tg_str body, const char *what)
{
    struct tg_request other = s->r;

    other.body = body;
    if (!holds(a, &other, secret))
        return false;
    printf("differs: the body was signed %s\n", what);
    return true;
}

static bool try_hosts(struct sign *s, const struct tg_authorization *a, struct tg_str secret)
{
    struct tg_str host = tg_request_field(&s->r, TG_STR("Host"));
    const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;

    if (s->host != NULL && try_field(s, a, secret, "Host", tg_str_of(s->host)))
        return true;
    return colon != NULL &&
           try_field(s, a, secret, "Host", (struct tg_str){host.p, (size_t)(colon - host.p)});
}

static bool try_types(struct sign *s, const struct tg_authorization *a, struct tg_str secret)
{
    static const struct tg_str types[] = {
        TG_STR("application/json"), TG_STR("application/json;charset=UTF-8"),
        TG_STR("application/json;charset=utf-8"), TG_STR("application/json; charset=utf-8")};

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (try_field(s, a, secret, "Content-Type", types[i]))
            return true;
    return false;
}

static bool try_bodies(struct sign *s, const struct tg_authorization *a, struct tg_str secret)
{
    struct tg_str body = s->r.body, no_line_end = body;
    struct tg_str longer = tg_arena_printf(&s->arena, "%.*s\n", TG_STR_ARG(body));

    if (tg_str_ends(body, TG_STR("\n")))
        no_line_end.n--;
    return try_body(s, a, secret, no_line_end, "without the line end behind it") ||
           try_body(s, a, secret, longer, "with a line end behind it") ||
           try_body(s, a, secret, TG_STR(""), "as if it were empty");
}

/* Lines that differ, when the client's own text is there; else what is often the reason. */
static void print_differences(struct sign *s, const struct tg_authorization *a, struct tg_str ours,
                              struct tg_str theirs)
{
    const struct tg_client_key *key = tg_client_keys_find(s->keys, a->access_key);

    if (theirs.p == NULL && key != NULL && !try_hosts(s, a, key->secret) &&
        !try_types(s, a, key->secret) && !try_bodies(s, a, key->secret))
        puts("differs: not one of Host, Content-Type or the end of the body alone; give the "
             "client's own canonical request (--canonical), or look at its secret key");
    while (theirs.p != NULL && (ours.n > 0 || theirs.n > 0)) {
        const char *x = ours.n > 0 ? memchr(ours.p, '\n', ours.n) : NULL;
        const char *y = theirs.n > 0 ? memchr(theirs.p, '\n', theirs.n) : NULL;
        struct tg_str mine = {ours.p, x != NULL ? (size_t)(x - ours.p) : ours.n};
        struct tg_str other = {theirs.p, y != NULL ? (size_t)(y - theirs.p) : theirs.n};

        if (!tg_str_eq(mine, other))
            printf("differs:\n  client   %.*s\n  gateway  %.*s\n", TG_STR_ARG(other),
                   TG_STR_ARG(mine));
        ours = tg_str_skip(ours, x != NULL ? mine.n + 1 : mine.n);
        theirs = tg_str_skip(theirs, y != NULL ? other.n + 1 : other.n);
    }
}

/* --- the verdict --- */

static bool read_canonical(struct sign *s, struct tg_str *out)
{
    struct tg_file file;
    const char *why = s->canonical != NULL ? tg_file_read(&s->arena, s->canonical, &file) : NULL;

    *out = (struct tg_str){NULL, 0};
    if (why != NULL)
        return cannot(s->canonical, why);
    if (s->canonical != NULL)
        *out = file.text;
    if (tg_str_ends(*out, TG_STR("\n")))
        out->n--;
    return true;
}

/* The clock is a matter of its own here: a file may be of yesterday. */
static bool is_expired(const struct sign *s)
{
    int64_t now = tg_clock_wall_now() / 1000000, at = now;

    if (s->at != NULL)
        CHECK(tg_signing_date_parse(tg_str_of(s->at), &at));
    int64_t skew = s->r.auth_skew_s + at - now;
    printf("time: X-Sdk-Date is %lld s %s the gateway's clock\n", (long long)llabs(skew),
           skew < 0 ? "ahead of" : "behind");
    return llabs(skew) > SKEW;
}

static int print_verdict(struct sign *s, enum tg_verdict verdict)
{
    const struct tg_request *r = &s->r;
    bool expired = r->auth_algorithm != NULL && r->error != TG_E_AUTH_MALFORMED && is_expired(s);

    if (expired) {
        printf("verdict: %s\n", tg_error_info(TG_E_AUTH_EXPIRED)->word);
        return EXIT_FAILURE;
    }
    if (verdict != TG_NEXT) {
        printf("verdict: %s, %s\n", tg_error_info(r->error)->word,
               r->error == TG_E_AUTH_MISMATCH &&
                       memmem(r->error_detail.p, r->error_detail.n, "canonicalRequest", 16) != NULL
                   ? "the signature is another one"
                   : r->error_detail.p);
        return EXIT_FAILURE;
    }
    printf("verdict: ok%s%s, principal %.*s\n", r->auth_form != 0 ? ":" : "",
           tg_signing_form_text(r->auth_form), TG_STR_ARG(r->principal));
    return EXIT_SUCCESS;
}

static int sign_explain(struct sign *s, struct tg_str theirs)
{
    struct tg_check check = {.r = &s->r, .conf = &s->conf};
    struct tg_authorization a;
    struct tg_buf ours = {0};
    int status;

    s->conf.keys = s->keys;
    s->conf.locks = tg_signing_locks_new();
    s->conf.clock_skew = INT64_MAX;
    s->conf.all_forms = true;
    status = print_verdict(s, tg_check_signed(&check));
    tg_signing_locks_end(s->conf.locks);
    if (tg_authorization_parse(tg_request_field(&s->r, TG_STR("Authorization")), &a) != NULL)
        return status;
    canonical(s, &a, &ours);
    print_texts(s, &a, tg_buf_str(&ours));
    if (s->r.error == TG_E_AUTH_MISMATCH)
        print_differences(s, &a, tg_buf_str(&ours), theirs);
    tg_buf_end(&ours);
    return status;
}

static void sign_on_input(void *context, const struct tg_input *input)
{
    struct sign *s = context;
    struct tg_str theirs;

    if (input->error != NULL)
        cannot(input->file, input->error);
    else if (read_canonical(s, &theirs) && read_request(s, input->body))
        s->status = sign_explain(s, theirs);
}

/* --- options --- */

static bool sign_take(struct sign *s, int option)
{
    int64_t at;

    switch (option) {
    case 'e':
        s->explain = true;
        return true;
    case 'k':
        s->keys_file = optarg;
        return true;
    case 'a':
        s->at = optarg;
        return tg_signing_date_parse(tg_str_of(optarg), &at) ||
               cannot("--at", "it takes YYYYMMDDTHHMMSSZ");
    case 'H':
        s->host = optarg;
        return true;
    case 'c':
        s->canonical = optarg;
        return true;
    default:
        return false;
    }
}

static bool sign_take_options(struct sign *s, int argc, char **argv, bool *help)
{
    static const struct option names[] = {{"explain", no_argument, NULL, 'e'},
                                          {"keys", required_argument, NULL, 'k'},
                                          {"at", required_argument, NULL, 'a'},
                                          {"host", required_argument, NULL, 'H'},
                                          {"canonical", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    while ((c = tg_command_option("sign", argc, argv, ":h", names)) != -1) {
        if (c == 'h')
            *help = true;
        else if (!sign_take(s, c))
            return false;
    }
    return true;
}

int tg_sign_main(int argc, char **argv)
{
    struct sign s = {.status = EXIT_CANNOT};
    bool help = false;

    if (!sign_take_options(&s, argc, argv, &help))
        return tg_command_misused("sign", NULL);
    if (help) {
        sign_usage();
        return EXIT_SUCCESS;
    }
    if (!s.explain || s.keys_file == NULL || optind + 1 != argc)
        return tg_command_misused("sign", "it takes --explain, --keys FILE and one REQUEST");
    s.request = argv[optind];
    s.keys = tg_key_file_load(s.keys_file);
    if (s.keys == NULL)
        return EXIT_CANNOT;
    tg_arena_init(&s.arena);
    tg_inputs_each(argv + optind, 1, sign_on_input, &s);
    tg_arena_end(&s.arena);
    tg_client_keys_end(s.keys);
    return s.status;
}
