/*
 * A policy file, a NUL, a body: whatever they are, there is a set or a problem, and every rule
 * comes to a result, twice to the same.
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

static void judge(const struct tg_policy_set *set, struct tg_arena *arena, struct tg_str body)
{
    const struct tg_json_limits limits = {32, 10000};
    struct tg_json_fault fault;
    struct tg_request r;
    struct tg_doc doc;
    struct outcome once = {0};
    struct outcome twice = {0};

    tg_request_init(&r, arena);
    if (!tg_doc_parse(&doc, arena, body, &limits, &fault))
        return;
    r.doc = &doc;
    r.project_id = TG_STR("p");
    r.config_name = TG_STR("c");
    r.client_address = TG_STR("10.0.0.1");
    tg_policy_eval(set, &r, note, &once);
    tg_policy_eval(set, &r, note, &twice);
    CHECK(once.rules <= set->nrules && once.hash == twice.hash);
    tg_policy_eval(set, &r, tg_policy_report, &r);
    CHECK((r.report.violations > 0) == (once.denied > 0));
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
    set = tg_policy_load_files(&c, &file, 1);
    CHECK((set != NULL) == (c.errors == 0));
    if (set != NULL && nul != NULL)
        judge(set, &arena, (struct tg_str){(const char *)nul + 1, size - n - 1});
    tg_policy_end(set);
    tg_arena_end(&arena);
    return 0;
}
