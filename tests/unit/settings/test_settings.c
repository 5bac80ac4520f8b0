/*
 * Whole configuration files: each file of tests/conf/bad tells in its "# expect:" lines exactly
 * what is to be said about it, each file of tests/conf/good loads with its "# warn:" lines and
 * nothing else. The filters are doubles with the traits of the real ones.
 */
#include "base/check.h"
#include "settings/settings.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- filters --- */

struct policy_conf {
    struct tg_str files;
    unsigned *loaded; /* allocated by on_load */
};

struct json_conf {
    int64_t max_depth;
};

struct sign_conf {
    struct tg_str key;
};

static int policies_loaded; /* on_load less on_unload */

static bool load_policy(struct tg_conf *c, const struct tg_conf_item *location, void *conf)
{
    struct policy_conf *p = conf;

    policies_loaded++;
    p->loaded = malloc(sizeof(*p->loaded));
    if (!tg_str_eq(p->files, TG_STR("broken")))
        return true;
    tg_conf_error(c, location, "policies cannot be read, got \"%s\"", p->files.p);
    return false;
}

static void unload_policy(void *conf)
{
    struct policy_conf *p = conf;

    policies_loaded--;
    free(p->loaded);
    p->loaded = NULL;
}

static enum tg_verdict pass(struct tg_request *r, const void *conf, void *state)
{
    (void)r;
    (void)conf;
    (void)state;
    return TG_NEXT;
}

enum { ANYWHERE = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION };

static const struct tg_directive json_rows[] = {{.name = "json_max_depth",
                                                 .contexts = ANYWHERE,
                                                 .kind = TG_CONF_NUMBER,
                                                 .min = 1,
                                                 .max = 100,
                                                 .offset = offsetof(struct json_conf, max_depth),
                                                 .fallback = "20",
                                                 .help = "Depth."},
                                                {.name = NULL}};

static const struct tg_directive policy_rows[] = {{.name = "policies",
                                                   .contexts = ANYWHERE,
                                                   .kind = TG_CONF_STRING,
                                                   .offset = offsetof(struct policy_conf, files),
                                                   .help = "Files."},
                                                  {.name = NULL}};

static const struct tg_directive sign_rows[] = {{.name = "secret_key",
                                                 .contexts = TG_IN_LOCATION,
                                                 .kind = TG_CONF_STRING,
                                                 .secret = true,
                                                 .offset = offsetof(struct sign_conf, key),
                                                 .help = "Key."},
                                                {.name = NULL}};

static const struct tg_filter json = {.abi = TG_FILTER_ABI,
                                      .name = "json",
                                      .help = "Reads JSON.",
                                      .traits = TG_GIVES_DOCUMENT,
                                      .directives = json_rows,
                                      .conf_size = sizeof(struct json_conf),
                                      .on_request = pass};
static const struct tg_filter normalize = {.abi = TG_FILTER_ABI,
                                           .name = "normalize",
                                           .traits = TG_NEEDS_DOCUMENT | TG_CHANGES_BODY,
                                           .on_request = pass};
static const struct tg_filter validate = {.abi = TG_FILTER_ABI,
                                          .name = "validate",
                                          .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
                                          .on_request = pass};
static const struct tg_filter policy = {.abi = TG_FILTER_ABI,
                                        .name = "policy",
                                        .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
                                        .directives = policy_rows,
                                        .conf_size = sizeof(struct policy_conf),
                                        .on_load = load_policy,
                                        .on_unload = unload_policy,
                                        .on_request = pass};
static const struct tg_filter sign = {.abi = TG_FILTER_ABI,
                                      .name = "sign",
                                      .traits = TG_SIGNS,
                                      .directives = sign_rows,
                                      .conf_size = sizeof(struct sign_conf),
                                      .on_request = pass};

/* Stands in for filters/table.c. */
static const struct tg_filter *const builtin[] = {&json,   &normalize, &validate,
                                                  &policy, &sign,      NULL};

/* --- files --- */

static void enter(const char *directory)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/../conf/%s", TG_TEST_DATA, directory);
    assert_int_equal(chdir(path), 0);
}

/* Appends what the file's lines that begin with `mark` say, each as a line of the problems. */
static void collect(const char *file, const char *mark, const char *level, struct tg_buf *out)
{
    FILE *f = fopen(file, "r");
    char line[2048];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, mark, strlen(mark)) == 0)
            tg_buf_printf(out, "[%s] %s", level, line + strlen(mark));
    fclose(f);
}

static struct tg_settings *read_expecting(const char *file, bool good)
{
    struct tg_buf expected = {0};
    struct tg_buf problems = {0};
    struct tg_settings *s = tg_settings_read(file, "./", &problems);

    if (good)
        collect(file, "# warn: ", "warn", &expected);
    else
        collect(file, "# expect: ", "emerg", &expected);
    if (!tg_str_eq(tg_buf_str(&problems), tg_buf_str(&expected)) || (s != NULL) != good)
        fail_msg("%s\nexpected:\n%.*s\ngot:\n%.*s", file, TG_STR_ARG(tg_buf_str(&expected)),
                 TG_STR_ARG(tg_buf_str(&problems)));
    tg_buf_end(&expected);
    tg_buf_end(&problems);
    return s;
}

static unsigned walk(const char *directory, bool good)
{
    DIR *dir;
    unsigned n = 0;

    enter(directory);
    dir = opendir(".");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!tg_str_ends(tg_str_of(e->d_name), TG_STR(".conf")))
            continue;
        tg_settings_end(read_expecting(e->d_name, good));
        assert_int_equal(policies_loaded, 0);
        n++;
    }
    closedir(dir);
    return n;
}

static void bad_files_say_what_is_wrong(void **state)
{
    (void)state;
    assert_true(walk("bad", false) >= 100);
}

static void good_files_load(void **state)
{
    (void)state;
    assert_true(walk("good", true) >= 6);
}

/* --- what the settings hold --- */

static struct tg_settings *load(const char *file)
{
    enter("good");
    return read_expecting(file, true);
}

static void text_is(struct tg_str s, const char *text)
{
    assert_true(tg_str_eq(s, tg_str_of(text)));
}

static void every_directive_arrives(void **state)
{
    struct tg_settings *s = load("every_directive.conf");
    const struct tg_upstream_conf *u = s->upstreams;
    const struct tg_upstream_server *o = u->servers;

    (void)state;
    assert_int_equal(s->worker_processes, 3);
    assert_int_equal(s->worker_connections, 16);
    assert_int_equal(s->worker_body_memory, INT64_C(2) << 30);
    text_is(s->error_log, "stderr");
    assert_int_equal(s->error_log_level, TG_LOG_DEBUG);
    text_is(s->pid, "./run/trainguard.pid");
    assert_string_equal(s->admin_listens->text, "unix:admin.sock");
    assert_int_equal(s->admin_listens->next->address.ss_family, AF_INET6);
    assert_int_equal(u->nservers, 4);
    text_is(o->host, "one.example.com");
    assert_int_equal(o->port, 443);
    assert_false(o->literal);
    assert_true(o->next->literal);
    assert_int_equal(o->next->port, 8443);
    text_is(o->next->next->host, "2001:db8::1");
    assert_int_equal(o->next->next->port, 443);
    assert_int_equal(o->next->next->next->port, 444);
    assert_true(u->tls && !u->tls_conf.verify);
    text_is(u->tls_conf.name, "api.example.com");
    text_is(u->host, "api.example.com:444");
    assert_int_equal(u->keepalive, 0);
    assert_int_equal(u->keepalive_timeout, 120000000);
    assert_int_equal(u->keepalive_requests, 7);
    assert_int_equal(u->connect_timeout, 1000);
    assert_int_equal(u->send_timeout, 4000000);
    assert_int_equal(u->read_timeout, INT64_C(86400000000));
    assert_int_equal(u->resolve_valid, 0);
    assert_int_equal(u->next->servers->port, 80);
    tg_settings_end(s);
}

static void blocks_inherit(void **state)
{
    struct tg_settings *s = load("every_directive.conf");
    const struct tg_server_conf *v = s->servers;
    const struct tg_location *l = v->locations;
    const struct policy_conf *p = l->filter_conf[3];
    const struct json_conf *j = l->filter_conf[0];

    (void)state;
    assert_int_equal(v->client_header_timeout, 1500000);
    assert_int_equal(v->client_header_max_size, 1024);
    assert_int_equal(v->client_body_timeout, 2000000);
    assert_int_equal(v->client_max_fields, 200);
    assert_int_equal(v->send_timeout, 3000000);
    assert_int_equal(v->keepalive_timeout, 0);
    assert_int_equal(v->keepalive_requests, 9);
    assert_int_equal(v->lingering_timeout, 1000000);
    assert_int_equal(l->client_max_body_size, 1 << 30);
    assert_int_equal(l->forwarded, TG_FORWARDED_RFC7239);
    assert_false(l->via);
    text_is(p->files, "outer");
    assert_int_equal(j->max_depth, 20);
    assert_int_equal(l->filters.n, 5);
    assert_int_equal(policies_loaded, 1);
    l = l->next->next;
    assert_int_equal(l->client_max_body_size, 512 << 10);
    assert_int_equal(l->forwarded, TG_FORWARDED_XFF);
    assert_true(l->via);
    assert_int_equal(l->filters.n, 0);
    assert_ptr_equal(l->upstream, s->upstreams->next);
    tg_settings_end(s);
}

/* The defaults are part of what users rely on. */
static void defaults_hold(void **state)
{
    struct tg_settings *s = load("design.conf");
    const struct tg_upstream_conf *u = s->upstreams;
    const struct tg_server_conf *v = s->servers;

    (void)state;
    assert_int_equal(s->worker_processes, 0);
    assert_int_equal(s->worker_connections, 1024);
    assert_int_equal(s->error_log_level, TG_LOG_NOTICE);
    assert_true(u->tls && u->tls_conf.verify);
    assert_non_null(u->tls_context);
    assert_int_equal(u->keepalive_timeout, 60000000);
    assert_int_equal(u->send_timeout, 60000000);
    assert_int_equal(u->resolve_valid, 30000000);
    assert_int_equal(v->client_header_max_size, 131072);
    assert_int_equal(v->client_max_fields, 100);
    assert_int_equal(v->keepalive_timeout, 75000000);
    assert_int_equal(v->lingering_timeout, 5000000);
    assert_int_equal(v->locations->client_max_body_size, 1 << 20);
    assert_int_equal(v->locations->forwarded, TG_FORWARDED_OFF);
    assert_int_equal(v->listens->fd, -1);
    tg_settings_end(s);
}

static void routes_are_found(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *route; /* NULL: none */
        const char *project_id;
        const char *config_name;
        bool wrong_method;
    } cases[] = {
        {"PUT", "/v1/name/x/4711", "/v1/{config_name}/x/{project_id}", "4711", "name", false},
        {"PUT", "/v1/name/x/4711/y", "/v1", "", "", false},
        {"GET", "/v1/name/x/4711", NULL, "", "", true},
        {"PUT", "/v2", NULL, "", "", false},
        {"put", "/v1", NULL, "", "", true},
    };
    struct tg_settings *s = load("every_directive.conf");

    (void)state;
    s->servers->locations->next->next = NULL; /* without the one that takes everything */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tg_request r = {.arena = &s->arena,
                               .method = tg_str_of(cases[i].method),
                               .target = tg_str_of(cases[i].path),
                               .path = tg_str_of(cases[i].path)};
        struct tg_no_route why;
        const struct tg_location *l = tg_settings_route(s->servers, &r, &why);

        assert_int_equal(l != NULL, cases[i].route != NULL);
        assert_int_equal(why.wrong_method, cases[i].wrong_method);
        text_is(r.route, cases[i].route);
        text_is(r.project_id, cases[i].project_id);
        text_is(r.config_name, cases[i].config_name);
    }
    tg_settings_end(s);
}

static void dump_masks_secrets(void **state)
{
    struct tg_settings *s = load("every_directive.conf");
    struct tg_buf text = {0};

    (void)state;
    tg_settings_dump(s, &text);
    tg_buf_putc(&text, '\0');
    assert_non_null(strstr(text.p, "        secret_key ***;\n"));
    assert_non_null(strstr(text.p, "    location PUT /v1/{config_name}/x/{project_id} {\n"));
    assert_null(strstr(text.p, "s3cr3t"));
    tg_buf_end(&text);
    tg_settings_end(s);
}

static void reference_tells_of_all(void **state)
{
    static const char *const parts[] = {
        "# Directives\n",
        "### keepalive\n\n    keepalive NUMBER;\n\nIn: upstream, default: `32`, range: 0 to 10000.",
        "### location\n\n    location [METHOD] PATTERN { ... }\n\nIn: server, may be repeated.",
        "    forwarded off | x-forwarded-for | forwarded;\n",
        "connect_timeout TIME;\n\nIn: upstream, default: `3s`, range: 1ms to 10m.",
        "## Audit log\n",
        "## Filter `json`\n\nReads JSON.\n\n### json_max_depth\n",
        "## Filter `normalize`\n\n It has no directives.\n",
    };
    struct tg_buf text = {0};

    (void)state;
    tg_settings_reference(&text);
    tg_buf_putc(&text, '\0');
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(text.p, parts[i]) == NULL)
            fail_msg("not in the reference: %s", parts[i]);
    tg_buf_end(&text);
}

static void a_file_that_is_not_there(void **state)
{
    struct tg_buf problems = {0};

    (void)state;
    assert_null(tg_settings_read("no-such.conf", "./", &problems));
    text_is(tg_buf_str(&problems),
            "[emerg] cannot read \"no-such.conf\": No such file or directory\n");
    tg_buf_end(&problems);
    tg_settings_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_say_what_is_wrong),
        cmocka_unit_test(good_files_load),
        cmocka_unit_test(every_directive_arrives),
        cmocka_unit_test(blocks_inherit),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(routes_are_found),
        cmocka_unit_test(dump_masks_secrets),
        cmocka_unit_test(reference_tells_of_all),
        cmocka_unit_test(a_file_that_is_not_there),
    };

    tg_filter_register(builtin);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
