/*
 * A policy file, a NUL, a body, a NUL, the config that stands there already: whatever they are,
 * there is a set or a problem, and every rule comes to a result, twice to the same; also without a
 * body, and with and without live values. The table "t" is given.
 */
#include "base/check.h"
#include "policy/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    unsigned rules;
    unsigned denied;
    uint64_t hash;
};

static void note(void *context, const struct tg_policy_outcome *o)
{
    struct outcome *seen = context;

    CHECK(o->result >= TG_RULE_PASS && o->result <= TG_RULE_ERROR);
    CHECK(!o->denies || (o->nfaults > 0 && o->exception == NULL));
    CHECK(o->nfaults <= TG_POLICY_MAX_SEEN);
    seen->rules++;
    seen->denied += o->denies;
    seen->hash = seen->hash * 31 + (uint64_t)o->result;
}

static const struct tg_json_limits limits = {32, 10000};

/* What other filters would have learned; nothing, or that nothing stands there, when there is no
 * old config. */
static void publish(struct tg_request *r, struct tg_str old)
{
    static const struct tg_str roles[] = {{"a", 1}, {"b", 1}};
    struct tg_json_fault fault;
    struct tg_doc *doc = tg_arena_alloc(r->arena, sizeof(*doc));

    if (old.n == 0)
        return;
    tg_live_set_integer(r, TG_LIVE_TOTAL_GPUS, (int64_t)old.n);
    tg_live_set_absent(r, TG_LIVE_SPEC_GPU_TYPE);
    tg_live_set_text(r, TG_LIVE_USER_NAME, TG_STR("a"));
    tg_live_set_text(r, TG_LIVE_DOMAIN, TG_STR("b"));
    tg_live_set_list(r, TG_LIVE_ROLES, roles, 2);
    if (tg_doc_parse(doc, r->arena, old, &limits, &fault))
        tg_live_set_old(r, doc, 0);
    else
        tg_live_set_old(r, NULL, 0);
}

static void judge(const struct tg_policy_set *set, struct tg_arena *arena, struct tg_doc *doc,
                  struct tg_str old)
{
    struct tg_request r;
    struct outcome once = {0};
    struct outcome twice = {0};

    tg_request_init(&r, arena);
    r.doc = doc;
    r.method = TG_STR("PUT");
    r.route = TG_STR("/");
    r.project_id = TG_STR("p");
    r.config_name = TG_STR("c");
    r.client_address = TG_STR("10.0.0.1");
    publish(&r, old);
    tg_policy_eval(set, &r, note, &once);
    tg_policy_eval(set, &r, note, &twice);
    CHECK(once.rules <= set->nrules && once.hash == twice.hash);
    tg_policy_eval(set, &r, tg_policy_report, &r);
    CHECK((r.report.violations > 0) == (once.denied > 0));
}

static void judge_all(const struct tg_policy_set *set, struct tg_arena *arena, struct tg_str rest)
{
    const char *nul = rest.n > 0 ? memchr(rest.p, 0, rest.n) : NULL;
    struct tg_str body = {rest.p, nul != NULL ? (size_t)(nul - rest.p) : rest.n};
    struct tg_str old = tg_str_skip(rest, nul != NULL ? body.n + 1 : body.n);
    struct tg_json_fault fault;
    struct tg_doc doc;

    judge(set, arena, NULL, old);
    if (tg_doc_parse(&doc, arena, body, &limits, &fault))
        judge(set, arena, &doc, old);
}

/* "table t FILE" reads no file. */
static struct tg_policy_table *given(struct tg_conf *c)
{
    static struct tg_str columns[] = {{"k", 1}, {"a", 1}, {"b", 1}};
    static const struct tg_str rows[2][3] = {{{"p", 1}, {"1", 1}, {"x", 1}},
                                             {{"q", 1}, {"2", 1}, {"", 0}}};
    struct tg_policy_table *t = tg_arena_zalloc(c->arena, 1, sizeof(*t));

    *t = (struct tg_policy_table){
        .name = TG_STR("t"), .file = "given", .columns = columns, .ncolumns = 3};
    for (unsigned i = 0; i < 2; i++)
        CHECK(tg_policy_table_add(c, t, rows[i], 3, i + 2));
    CHECK(tg_policy_table_finish(c, t));
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t n = nul != NULL ? (size_t)(nul - data) : size;
    struct tg_policy_file file = {"fuzz", {(const char *)data, n}};
    struct tg_policy_set *set;
    struct tg_arena arena;
    struct tg_conf c;

    /* Files are not part of the input. */
    if (size > 8192 || (n > 0 && memmem(data, n, "include", 7) != NULL))
        return 0;
    tg_arena_init(&arena);
    tg_conf_init(&c, &arena, "/");
    set = tg_policy_load_files(&c, &file, 1, given(&c));
    CHECK((set != NULL) == (c.errors == 0));
    if (set != NULL && nul != NULL)
        judge_all(set, &arena, (struct tg_str){(const char *)nul + 1, size - n - 1});
    tg_policy_end(set);
    tg_arena_end(&arena);
    return 0;
}
