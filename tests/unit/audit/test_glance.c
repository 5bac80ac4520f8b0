/* A record for who looks on: never more than `metadata`, never longer than there is room. */
#include "audit_fixture.h"

#include "audit/glance.h"
#include "audit/record.h"
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

/* What the log wrote of a document before it went is of the log's level: the page has the shortest
 * of it, which tells no values. */
static void kept(void **state)
{
    struct fixture *f = *state;
    const struct tg_audit_conf *conf = fixture_conf(f, "audit_log off; audit_body full;");
    struct tg_glance *g = tg_glance_new(conf);
    struct tg_buf text = {0};
    struct tg_redact redact;
    struct scene s;

    begin_scene(f, &s, tg_str_of(body));
    tg_redact_init(&redact, conf);
    s.record.kept = tg_audit_record_keep(&redact, &s.request, 4096);
    assert_int_equal(s.record.kept->cut, TG_AUDIT_WHOLE);
    s.doc.node = NULL; /* nobody looks at it */
    tg_audit_record_add(&redact, &text, &s.record, false, TG_AUDIT_WHOLE);
    assert_true(tells(tg_buf_str(&text), "s3cr3t") && tells(tg_buf_str(&text), "body_full"));
    assert_false(tells(tg_buf_str(&text), "truncated"));
    text.n = 0;
    tg_audit_record_add(&redact, &text, &s.record, false, TG_AUDIT_NO_BODY);
    assert_true(tells(tg_buf_str(&text), "\"truncated\":[\"request.body\",\"patch\",\"message\"]"));
    assert_false(tells(tg_glance_record(g, &s.record, TG_GLANCE_LEAST), "s3cr3t"));
    assert_true(tells(tg_glance_record(g, &s.record, TG_GLANCE_LEAST), "request.sha256"));
    tg_buf_end(&text);
    tg_redact_end(&redact);
    tg_glance_end(g);
}

/* A body that is told beyond what there is room for is not told to its end. */
static void kept_short(void **state)
{
    struct fixture *f = *state;
    struct tg_redact redact;
    struct scene s;

    begin_scene(f, &s, tg_str_of(body));
    tg_redact_init(&redact, fixture_conf(f, "audit_log off; audit_body full;"));
    s.record.kept = tg_audit_record_keep(&redact, &s.request, 150);
    assert_int_equal(s.record.kept->cut, TG_AUDIT_NO_BODY);
    assert_false(tells(s.record.kept->text, "s3cr3t"));
    assert_true(tells(s.record.kept->text, "\"truncated\":[\"request.body\"]"));
    tg_redact_end(&redact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(level, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(length, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(kept, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(kept_short, fixture_begin, fixture_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
