/* Mistakes in configurations, with the words that tell of each: the rows of
 * tests/data/mistakes.txt, which is written anew with TG_RECORD set. The real filters, the real
 * tables. */
#include "base/check.h"
#include "settings/settings.h"
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What the rows name, beside the configuration. */
static const struct {
    const char *name, *text;
} files[] = {
    {"keys", "key A { secret 0123456789abcdef; principal p; projects x; }\n"},
    {"own.json", "{\"credential\": {\"access\": \"A\", \"secret\": \"0123456789abcdef\"}}"},
    {"empty", ""},
    {"control", "u:p\x01"},
    {"nocolon", "user"},
    {"colon", ":p"},
    {"blank", "a b c d e f g h i j k l m n o p q r s t\n"},
    {"short", "key A { secret 0123456789abcde; principal p; projects x; }\n"},
    {"long", "key A { secret "
             "\"sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
             "ssssssssssssssssssssssssssssssssssssssssssssss\"; principal p; projects x; }\n"},
    {"nobody", "key A { secret 0123456789abcdef; projects x; }\n"},
    {"principal", "key A { secret 0123456789abcdef; principal \"a b\"; projects x; }\n"},
    {"empty_principal", "key A { secret 0123456789abcdef; principal \"\"; projects x; }\n"},
    {"noproject", "key A { secret 0123456789abcdef; principal p; }\n"},
    {"project", "key A { secret 0123456789abcdef; principal p; projects a/b; }\n"},
    {"nosecret", "key A { principal p; projects x; }\n"},
    {"day", "key A { secret 0123456789abcdef; principal p; projects x; not_after 2026-02-30; }\n"},
    {"ended",
     "key A { secret 0123456789abcdef; principal p; projects x; not_after 2020-02-28; }\n"},
    {"twice", "key A { secret 0123456789abcdef; principal p; projects x; }key A { secret "
              "0123456789abcdef; principal p; projects x; }\n"},
    {"name", "key a-b { secret 0123456789abcdef; principal p; projects x; }\n"},
    {"noname", "key \"\" { secret 0123456789abcdef; principal p; projects x; }\n"},
    {"hash", "local_key A { sha256 x; principal p; projects x; }\n"},
    {"hash_upper",
     "local_key A { sha256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; "
     "principal p; projects x; }\n"},
    {"local",
     "local_key A { sha256 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; "
     "principal p; projects x; }\n"},
    {"mixed", "local_key A { secret 0123456789abcdef; principal p; projects x; }\n"},
    {"mixed2", "key A { sha256 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; "
               "principal p; projects x; }\n"},
    {"unknown", "keys A { }\n"},
    {"syntax", "key A {\n"},
    {"all", "key A { secret 0123456789abcdef; principal p; projects *; }\n"},
    {"token", "0123456789abcdef0123456789abcdef\n"},
};

static void write_file(const char *name, struct tg_str text)
{
    FILE *f = fopen(name, "w");

    CHECK(f != NULL && fwrite(text.p, 1, text.n, f) == text.n && fclose(f) == 0);
    CHECK(chmod(name, 0600) == 0);
}

/* A row: what stands in each block, and what is said of it. */
struct row {
    struct tg_buf main, upstream, server, location, said;
    struct tg_buf text; /* its lines, but what is said */
};

static void clear(struct row *r)
{
    r->main.n = r->upstream.n = r->server.n = r->location.n = r->said.n = r->text.n = 0;
}

static void end(struct row *r)
{
    tg_buf_end(&r->main);
    tg_buf_end(&r->upstream);
    tg_buf_end(&r->server);
    tg_buf_end(&r->location);
    tg_buf_end(&r->said);
    tg_buf_end(&r->text);
}

/* One line of the table: where the rest of it stands, or "=" before what is said. */
static void take(struct row *r, struct tg_str line)
{
    const struct {
        struct tg_str name;
        struct tg_buf *to;
    } places[] = {{TG_STR("main: "), &r->main},
                  {TG_STR("upstream: "), &r->upstream},
                  {TG_STR("server: "), &r->server},
                  {TG_STR("location: "), &r->location},
                  {TG_STR("= "), &r->said}};

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (tg_str_starts(line, places[i].name)) {
            tg_buf_add(places[i].to, tg_str_skip(line, places[i].name.n));
            if (places[i].to == &r->said)
                tg_buf_putc(&r->said, '\n');
            else
                tg_buf_printf(&r->text, "%.*s\n", TG_STR_ARG(line));
            return;
        }
    fail_msg("no line of the table: %.*s", TG_STR_ARG(line));
}

static bool has(const struct tg_buf *b, const char *text)
{
    return b->n > 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static void write_configuration(const struct row *r)
{
    struct tg_buf text = {0};

    tg_buf_printf(&text, "%.*s\nupstream u { server 127.0.0.1:1; %s%.*s }\nserver { %s%.*s ",
                  TG_STR_ARG(tg_buf_str(&r->main)), has(&r->upstream, "tls on") ? "" : "tls off; ",
                  TG_STR_ARG(tg_buf_str(&r->upstream)),
                  has(&r->server, "listen ") ? "" : "listen 127.0.0.1:0; ",
                  TG_STR_ARG(tg_buf_str(&r->server)));
    tg_buf_printf(&text, "location / { proxy_pass u; %.*s } }\n",
                  TG_STR_ARG(tg_buf_str(&r->location)));
    write_file("t.conf", tg_buf_str(&text));
    tg_buf_end(&text);
}

/* Of routes that are not guarded every configuration here would be told. */
static void drop_routes(struct tg_buf *said)
{
    struct tg_str rest = tg_buf_str(said);
    size_t kept = 0;

    while (rest.n > 0) {
        size_t n = (size_t)((const char *)memchr(rest.p, '\n', rest.n) + 1 - rest.p);

        if (memmem(rest.p, n, "writes a training config", 24) == NULL) {
            memmove(said->p + kept, rest.p, n);
            kept += n;
        }
        rest = tg_str_skip(rest, n);
    }
    said->n = kept;
}

static void record(FILE *out, const struct row *r, struct tg_str said)
{
    fwrite(r->text.p, 1, r->text.n, out);
    while (said.n > 0) {
        size_t n = (size_t)((const char *)memchr(said.p, '\n', said.n) + 1 - said.p);

        fprintf(out, "= %.*s", (int)n, said.p);
        said = tg_str_skip(said, n);
    }
    fputc('\n', out);
}

static void try(const struct row *r, unsigned line, FILE *out)
{
    struct tg_buf got = {0};
    struct tg_settings *s;
    bool good = !has(&r->said, "[emerg]");

    write_configuration(r);
    s = tg_settings_read("t.conf", "./", &got);
    drop_routes(&got);
    if (out != NULL)
        record(out, r, tg_buf_str(&got));
    else if ((s != NULL) != good || !tg_str_eq(tg_buf_str(&got), tg_buf_str(&r->said)))
        fail_msg("mistakes.txt, row before line %u: %s, said:\n%.*s", line,
                 s != NULL ? "loads" : "fails", TG_STR_ARG(tg_buf_str(&got)));
    tg_settings_end(s);
    tg_buf_end(&got);
}

static void each_is_told(void **state)
{
    FILE *table = fopen(TG_TEST_DATA "/mistakes.txt", "r");
    FILE *out = getenv("TG_RECORD") != NULL ? fopen(TG_TEST_DATA "/mistakes.new", "w") : NULL;
    struct row r = {0};
    char *line = NULL;
    size_t size = 0;
    unsigned number = 0, rows = 0;
    ssize_t n;

    (void)state;
    CHECK(table != NULL);
    while ((n = getline(&line, &size, table)) > 0) {
        number++;
        if (n > 1) {
            take(&r, (struct tg_str){line, (size_t)n - 1});
            continue;
        }
        try(&r, number, out);
        clear(&r);
        rows++;
    }
    assert_true(rows > 200);
    free(line);
    fclose(table);
    if (out != NULL)
        CHECK(fclose(out) == 0 &&
              rename(TG_TEST_DATA "/mistakes.new", TG_TEST_DATA "/mistakes.txt") == 0);
    end(&r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_told)};
    char folder[] = "/tmp/tg-mistakes-XXXXXX", command[64];
    int failed;

    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        write_file(files[i].name, tg_str_of(files[i].text));
    tg_filter_register(tg_builtin_filters);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return failed;
}
