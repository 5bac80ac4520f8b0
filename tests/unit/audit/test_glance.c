/* A record for who looks on: never more than `metadata`, never longer than there is room. */
#include "audit_fixture.h"

#include "audit/glance.h"
#include "json/document.h"

static const char body[] =
    "{\"config_name\": \"c\", \"worker_server_num\": 1, \"user_command\": \"echo s3cr3t\","
    " \"parameter\": [{\"label\": \"lr\", \"value\": \"0.0125\"}], \"config_desc\": \"hush\"}";

static const struct tg_json_limits limits = {64, 10000};

struct scene {
    struct tg_doc doc;
    struct tg_request request;
    struct tg_audit_record record;
};

static void begin_scene(struct fixture *f, struct scene *s, struct tg_str text)
{
    struct tg_json_fault fault;

    *s = (struct scene){0};
    tg_request_init(&s->request, &f->arena);
    s->request.method = TG_STR("PUT");
    s->request.path = TG_STR("/v1/p/x");
    s->request.project_id = TG_STR("p");
    s->request.body = text;
    assert_true(tg_doc_parse(&s->doc, &f->arena, text, &limits, &fault));
    s->request.doc = &s->doc;
    s->record =
        (struct tg_audit_record){.time = 1790000000123456, .request = &s->request, .status = 200};
}

static bool tells(struct tg_str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* Whatever the log tells. */
static void level(void **state)
{
    static const char *const levels[] = {"none", "metadata", "full"};
    struct fixture *f = *state;
    struct scene s;

    begin_scene(f, &s, tg_str_of(body));
    for (unsigned i = 0; i < 3; i++) {
        char directives[200];
        struct tg_glance *g;
        struct tg_str text;

        snprintf(directives, sizeof(directives), "audit_log a.jsonl; audit_body %s;", levels[i]);
        g = tg_glance_new(fixture_conf(f, directives));
        text = tg_glance_record(g, &s.record, TG_GLANCE_LEAST);
        assert_true(tells(text, "{\"time\":\"2026-09-21T"));
        assert_true(tells(text, "\"worker_server_num\":1"));
        assert_false(tells(text, "s3cr3t") || tells(text, "0.0125") || tells(text, "hush"));
        assert_false(tells(text, "body_full"));
        tg_glance_end(g);
    }
}

/* A text of `n` bytes of `c`. */
static struct tg_str many(struct fixture *f, size_t n, char c)
{
    char *p = tg_arena_alloc(&f->arena, n);

    memset(p, c, n);
    return (struct tg_str){p, n};
}

static void length(void **state)
{
    struct fixture *f = *state;
    struct scene s;
    struct tg_glance *g;
    struct tg_str text;
    struct tg_json_fault fault;
    struct tg_doc doc;

    begin_scene(f, &s, tg_str_of(body));
    g = tg_glance_new(fixture_conf(f, "audit_log a.jsonl;"));
    s.request.path = s.request.target = s.request.project_id = s.request.request_id =
        s.request.method = s.request.client_address = many(f, 65536, '\001');
    for (size_t most = TG_GLANCE_LEAST; most < (1 << 20); most *= 3) {
        text = tg_glance_record(g, &s.record, most);
        assert_true(text.n <= most);
        assert_true(tg_doc_parse(&doc, &f->arena, text, &limits, &fault));
        assert_true(tells(text, "\"decision\":\"allow\""));
    }
    assert_true(
        tells(tg_glance_record(g, &s.record, TG_GLANCE_LEAST), "\"truncated\":[\"everything\"]"));
    tg_glance_end(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(level, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(length, fixture_begin, fixture_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
