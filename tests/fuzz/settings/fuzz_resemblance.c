/*
 * Paths: what a lenient server folds onto a guarded route is never forwarded unjudged. The input
 * tells how each byte of a guarded path is disguised, each in a way that some server undoes.
 */
#include "base/check.h"
#include "settings/settings.h"
#include "table.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char configuration[] =
    "upstream u { server 127.0.0.1:9; tls off; }\n"
    "server {\n"
    "    listen 127.0.0.1:0;\n"
    "    location PUT /v1/{project_id}/training-job-configs/{config_name} { filters json; "
    "proxy_pass u; }\n"
    "    location POST /v1/{project_id}/training-jobs { filters json; proxy_pass u; }\n"
    "    location POST /v1/{project_id}/training-jobs/{job_id}/versions { filters json; "
    "proxy_pass u; }\n"
    "    location /v1/public { proxy_pass u; }\n"
    "    location / { proxy_pass u; }\n"
    "}\n";

static const char *const guarded[] = {"/v1/p/training-job-configs/c", "/v1/p/training-jobs",
                                      "/v1/p/training-jobs/7/versions"};

/* The input, byte by byte; zeros behind its end. */
struct choices {
    const uint8_t *data;
    size_t size;
};

static unsigned choose(struct choices *c, unsigned n)
{
    unsigned choice = c->size > 0 ? *c->data % n : 0;

    if (c->size > 0) {
        c->data++;
        c->size--;
    }
    return choice;
}

/* Percent-encodes a text so many times. */
static void put_encoded(struct tg_buf *out, const char *text, size_t n, unsigned times)
{
    for (size_t i = 0; i < n; i++) {
        tg_buf_putc(out, '%');
        for (unsigned t = 1; t < times; t++)
            tg_buf_puts(out, "25");
        tg_buf_printf(out, "%02x", (unsigned char)text[i]);
    }
}

/* One byte in one of the ways in which it is read back. */
static void put_byte(struct tg_buf *out, char byte, struct choices *c)
{
    unsigned char b = (unsigned char)byte;
    char overlong[3] = {(char)0xe0, (char)(0x80 | b >> 6), (char)(0x80 | (b & 0x3f))};
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    char other = letter ? (char)(byte ^ 0x20) : byte;

    switch (choose(c, 8)) {
    case 1:
        tg_buf_putc(out, other);
        break;
    case 2:
        put_encoded(out, &byte, 1, 1 + choose(c, 4));
        break;
    case 3:
        put_encoded(out, overlong, 3, 1 + choose(c, 4));
        break;
    case 4:
        put_encoded(out,
                    byte == 's'   ? "\xc5\xbf"
                    : byte == 'i' ? "\xc4\xb1"
                                  : &other,
                    byte == 's' || byte == 'i' ? 2 : 1, 1);
        break;
    default:
        tg_buf_putc(out, byte);
    }
}

/* What servers take off a segment, or do not see between two. */
static void put_end_of_segment(struct tg_buf *out, struct choices *c, bool literal)
{
    static const char *const ends[] = {"",    "",  "",       "",    ";x=1", "%3B",
                                       "%20", "+", "%c2%ad", "%ff", "%2500"};
    static const char *const tails[] = {".json", ".", ":create", "%252e", "..."};

    tg_buf_puts(out, ends[choose(c, sizeof(ends) / sizeof(*ends))]);
    if (literal && choose(c, 4) == 3)
        tg_buf_puts(out, tails[choose(c, sizeof(tails) / sizeof(*tails))]);
}

static void put_between(struct tg_buf *out, struct choices *c)
{
    static const char *const between[] = {
        "/",        "/",     "/",   "//",         "/./",
        "/x/../",   "%2F",   "%5c", "/x%2f..%2f", "/x/%252e%252e/",
        "/x/..;y/", "%c0%af"};

    tg_buf_puts(out, between[choose(c, sizeof(between) / sizeof(*between))]);
}

static void disguise(struct tg_buf *out, const char *path, struct choices *c)
{
    tg_buf_putc(out, '/');
    for (path++; *path != '\0'; path++) {
        if (*path != '/') {
            put_byte(out, *path, c);
            continue;
        }
        put_end_of_segment(out, c, true);
        put_between(out, c);
    }
    put_end_of_segment(out, c, true);
    if (choose(c, 4) == 3)
        tg_buf_puts(out, "%3f/x");
}

static struct tg_settings *load(void)
{
    struct tg_buf problems = {0};
    struct tg_settings *s;

    tg_filter_register(tg_builtin_filters);
    s = tg_settings_offline("fuzz", tg_str_of(configuration), "./", &problems);
    CHECK(s != NULL && problems.n == 0);
    return s;
}

/* Another method of the very path is no disguise. */
static bool is_other_method(const struct tg_server_conf *s, const struct tg_request *r)
{
    struct tg_str values[TG_TARGET_PARAMETERS];
    unsigned n;

    for (const struct tg_location *l = s->locations; l != NULL; l = l->next)
        if (l->filters.n > 0 && r->odd_path == NULL && !tg_str_ieq(l->method, r->method) &&
            tg_target_match(&l->prepared, r->path, values, TG_TARGET_PARAMETERS, &n))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tg_str methods[] = {{"PUT", 3}, {"POST", 4}, {"PATCH", 5}, {"put", 3}};
    static struct tg_settings *settings;
    struct choices c = {data, size};
    struct tg_buf target = {0};
    struct tg_request r;
    struct tg_target t;
    struct tg_arena arena;
    struct tg_no_route no;
    const struct tg_location *l;
    const char *why;
    char *out;
    const char *base = guarded[choose(&c, 3)];

    if (settings == NULL)
        settings = load();
    tg_arena_init(&arena);
    tg_request_init(&r, &arena);
    r.method = methods[choose(&c, 4)];
    disguise(&target, base, &c);
    r.target = tg_buf_str(&target);
    out = tg_arena_alloc(&arena, target.n);
    if (tg_target_normalize(r.target, out, target.n, &t, &why)) {
        r.path = t.path;
        r.odd_path = t.odd;
        l = tg_settings_route(settings->servers, &r, &no);
        CHECK(l == NULL || l->filters.n > 0 || is_other_method(settings->servers, &r));
    }
    tg_buf_end(&target);
    tg_arena_end(&arena);
    return 0;
}
