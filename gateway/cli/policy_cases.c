/* Test files: their words, and running their cases. */
#include "cli/policy_cases.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "chain/chain.h"

#include <stdlib.h>

#define NOON INT64_C(43200000000) /* microseconds of a day */

/* --- words --- */

static bool set_globs(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct tg_case_file *f = target;

    (void)d;
    f->nglobs = item->nargs - 1;
    f->globs = tg_arena_zalloc(c->arena, f->nglobs, sizeof(*f->globs));
    for (unsigned i = 0; i < f->nglobs; i++)
        f->globs[i] = item->args[i + 1];
    return true;
}

static bool set_header(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_case *t = target;
    struct tg_field *more = tg_arena_zalloc(c->arena, t->nfields + 1, sizeof(*more));

    (void)d;
    for (unsigned i = 0; i < t->nfields; i++)
        more[i] = t->fields[i];
    more[t->nfields++] = (struct tg_field){item->args[1], item->args[2]};
    t->fields = more;
    return true;
}

static bool set_now(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    int64_t seconds;

    (void)d;
    if (!tg_clock_day(item->args[1], &seconds)) {
        tg_conf_error(c, item, "\"now\" takes a day as YYYY-MM-DD, got \"%s\"", item->args[1].p);
        return false;
    }
    ((struct tg_case *)target)->now = seconds * 1000000 + NOON;
    return true;
}

static bool set_expect(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    /* a case has no trouble of its own, as TG_DECISION_ERROR would be */
    const char *const decisions[] = {
        tg_decision_word(TG_DECISION_ALLOW), tg_decision_word(TG_DECISION_WARN),
        tg_decision_word(TG_DECISION_DENY), tg_decision_word(TG_DECISION_INVALID), NULL};
    struct tg_case_expect **last = &((struct tg_case *)target)->expects;
    bool decision = tg_str_eq(item->args[1], TG_STR("decision"));
    int word;

    (void)d;
    if (!tg_conf_word(c, item, item->args[2], decision ? decisions : tg_rule_result_words, &word))
        return false;
    while (*last != NULL)
        last = &(*last)->next;
    *last = tg_arena_zalloc(c->arena, 1, sizeof(**last));
    **last =
        (struct tg_case_expect){.item = item, .subject = item->args[1], .wanted = item->args[2]};
    return true;
}

/* "spec gpu_num 8", "role ml-admin viewer": the name is that of policies, in one word or two. */
static bool set_live(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    bool two = d->min_args == 2;
    struct tg_case *t = target;
    struct tg_case_live *live = tg_arena_zalloc(c->arena, 1, sizeof(*live));
    struct tg_str name =
        two ? tg_arena_printf(c->arena, "%s.%s", d->name, item->args[1].p) : tg_str_of(d->name);
    struct tg_decimal number;

    *live = (struct tg_case_live){.name = tg_live_find(name), .next = t->live};
    if (live->name == TG_LIVE_NAMES) {
        tg_conf_error(c, item, "no live value is called \"%s\"", name.p);
        return false;
    }
    live->n = item->nargs - (two ? 2 : 1);
    live->texts = tg_arena_zalloc(c->arena, live->n, sizeof(*live->texts));
    for (unsigned i = 0; i < live->n; i++)
        live->texts[i] = item->args[i + (two ? 2 : 1)];
    if (tg_live_infos[live->name].kind == TG_LIVE_NUMBER && live->texts[0].n > 0 &&
        !tg_decimal_read(live->texts[0], &number)) {
        tg_conf_error(c, item, "\"%s\" takes a number, got \"%s\"", name.p, live->texts[0].p);
        return false;
    }
    t->live = live;
    return true;
}

static bool set_row(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                    const struct tg_directive *d)
{
    struct tg_case_row **last = &((struct tg_case *)target)->rows;

    (void)d;
    while (*last != NULL)
        last = &(*last)->next;
    *last = tg_arena_zalloc(c->arena, 1, sizeof(**last));
    (*last)->item = item;
    return true;
}

static bool set_table(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct tg_case_file *f = target;
    struct tg_policy_table *t = tg_policy_table_read(c, item);

    (void)d;
    if (t == NULL)
        return false;
    t->next = f->tables;
    f->tables = t;
    return true;
}

static tg_conf_setter set_case;

#define TEXT(word, member)                                                                         \
    {                                                                                              \
        .name = (word), .contexts = TG_IN_CASE, .kind = TG_CONF_STRING,                            \
        .offset = offsetof(struct tg_case, member)                                                 \
    }

/* Live values: "spec.gpu_num" is `spec gpu_num`; an empty text says that there is none. */
#define LIVE(word, least, most)                                                                    \
    {                                                                                              \
        .name = (word), .contexts = TG_IN_CASE, .kind = TG_CONF_CUSTOM, .repeat = (least) == 2,    \
        .min_args = (least), .max_args = (most), .set = set_live                                   \
    }

static const struct tg_directive words[] = {
    {.name = "policies",
     .contexts = TG_IN_TEST_FILE,
     .kind = TG_CONF_CUSTOM,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .set = set_globs},
    {.name = "table",
     .contexts = TG_IN_TEST_FILE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .set = set_table},
    {.name = "case",
     .contexts = TG_IN_TEST_FILE,
     .kind = TG_CONF_CUSTOM,
     .block = true,
     .repeat = true,
     .set = set_case},
    TEXT("body", body),
    TEXT("method", method),
    TEXT("route", route),
    TEXT("old", old),
    LIVE("spec", 2, 2),
    LIVE("engine", 2, 2),
    LIVE("model", 2, 2),
    LIVE("total", 2, 2),
    LIVE("user", 2, 2),
    LIVE("domain", 1, 1),
    LIVE("role", 1, TG_CONF_ANY_ARGS),
    TEXT("project_id", project_id),
    TEXT("config_name", config_name),
    TEXT("principal", principal),
    TEXT("client", client),
    {.name = "header",
     .contexts = TG_IN_CASE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .set = set_header},
    {.name = "row",
     .contexts = TG_IN_CASE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = TG_CONF_ANY_ARGS,
     .set = set_row},
    {.name = "now", .contexts = TG_IN_CASE, .kind = TG_CONF_CUSTOM, .set = set_now},
    {.name = "expect",
     .contexts = TG_IN_CASE,
     .kind = TG_CONF_CUSTOM,
     .repeat = true,
     .min_args = 2,
     .max_args = 2,
     .set = set_expect},
    {.name = NULL},
};

static bool set_case(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                     const struct tg_directive *d)
{
    struct tg_case **last = &((struct tg_case_file *)target)->cases;
    struct tg_case *t = tg_arena_zalloc(c->arena, 1, sizeof(*t));
    const struct tg_conf_table table = {words, t};

    (void)d;
    *t = (struct tg_case){.name = item->args[1],
                          .item = item,
                          .route = TG_STR("/v1/{project_id}/training-job-configs/{config_name}"),
                          .project_id = TG_STR("project"),
                          .config_name = TG_STR("config")};
    while (*last != NULL)
        last = &(*last)->next;
    *last = t;
    if (!tg_conf_apply(c, TG_IN_CASE, item->children, &table, 1))
        return false;
    if ((t->body.n > 0 || t->method.n > 0) && t->expects != NULL)
        return true;
    tg_conf_error(c, item, "case \"%s\" has no %s", t->name.p,
                  t->expects == NULL ? "\"expect\"" : "\"body\", and no \"method\" without one");
    return false;
}

/* --- files --- */

/* What judges a case. */
static const struct tg_policy_set *set_of(const struct tg_case_file *f, const struct tg_case *t)
{
    return t->set != NULL ? t->set : f->set;
}

static void end_sets(struct tg_case_file *f)
{
    tg_policy_end(f->set);
    for (struct tg_case *t = f->cases; t != NULL; t = t->next) {
        tg_policy_end(t->set);
        t->set = NULL;
    }
}

/* The rule of "POLICY.RULE", or NULL. */
static const struct tg_policy_rule *find_rule(const struct tg_policy_set *set, struct tg_str name)
{
    const char *dot = memchr(name.p, '.', name.n);
    const struct tg_policy *p;

    if (dot == NULL)
        return NULL;
    p = tg_policy_find(set, (struct tg_str){name.p, (size_t)(dot - name.p)});
    return p == NULL ? NULL : tg_policy_rule_find(p, tg_str_skip(name, (size_t)(dot - name.p) + 1));
}

static void check_expects(struct tg_case_file *f)
{
    for (const struct tg_case *t = f->cases; t != NULL; t = t->next)
        for (const struct tg_case_expect *e = t->expects; e != NULL; e = e->next)
            if (!tg_str_eq(e->subject, TG_STR("decision")) && find_rule(f->set, e->subject) == NULL)
                tg_conf_error(&f->conf, e->item, "no rule is called \"%s\"", e->subject.p);
}

static struct tg_policy_set *load_set(struct tg_case_file *f, struct tg_policy_table *tables)
{
    static const struct tg_str beside = {"*.conf", 6};

    return tg_policy_load_given(&f->conf, NULL, f->nglobs > 0 ? f->globs : &beside,
                                f->nglobs > 0 ? f->nglobs : 1, tables);
}

/* The table of a case's rows with the columns of the one that stands in the policies; made by the
 * first of them. NULL after a recorded problem. */
static struct tg_policy_table *stand_in(struct tg_case_file *f, const struct tg_case_row *row,
                                        struct tg_policy_table **tables)
{
    struct tg_str name = row->item->args[1];
    struct tg_policy_table *t = tg_policy_table_named(*tables, name);
    const struct tg_policy_table *own = tg_policy_table_named(f->set->tables, name);

    if (t != NULL || own == NULL) {
        if (own == NULL)
            tg_conf_error(&f->conf, row->item, "no table is called \"%s\"", name.p);
        return t;
    }
    t = tg_arena_zalloc(&f->arena, 1, sizeof(*t));
    *t = (struct tg_policy_table){.name = own->name,
                                  .item = own->item,
                                  .file = row->item->file,
                                  .columns = own->columns,
                                  .ncolumns = own->ncolumns,
                                  .next = *tables};
    *tables = t;
    return t;
}

/* The set of a case that gives rows: with these in place of the tables'. */
static void load_rows(struct tg_case_file *f, struct tg_case *t)
{
    struct tg_policy_table *tables = NULL;
    unsigned errors = f->conf.errors;

    for (const struct tg_case_row *row = t->rows; row != NULL; row = row->next) {
        struct tg_policy_table *table = stand_in(f, row, &tables);

        if (table != NULL)
            (void)tg_policy_table_add(&f->conf, table, row->item->args + 2, row->item->nargs - 2,
                                      row->item->line);
    }
    for (struct tg_policy_table *table = tables; table != NULL; table = table->next)
        (void)tg_policy_table_finish(&f->conf, table);
    for (struct tg_policy_table *own = f->tables; own != NULL; own = own->next) {
        struct tg_policy_table *copy;

        if (tg_policy_table_named(tables, own->name) != NULL)
            continue;
        copy = tg_arena_alloc(&f->arena, sizeof(*copy));
        *copy = *own;
        copy->next = tables;
        tables = copy;
    }
    if (f->conf.errors == errors)
        t->set = load_set(f, tables);
}

static void policy_cases_load(struct tg_case_file *f)
{
    const struct tg_conf_table table = {words, f};
    const struct tg_conf_item *first = tg_conf_parse(&f->conf, f->name);

    if (f->conf.errors > 0 || !tg_conf_apply(&f->conf, TG_IN_TEST_FILE, first, &table, 1))
        return;
    f->set = load_set(f, f->tables);
    if (f->set == NULL)
        return;
    f->rules = tg_arena_zalloc(&f->arena, f->set->nrules, sizeof(*f->rules));
    for (const struct tg_policy *p = f->set->policies; p != NULL; p = p->next)
        for (const struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            f->rules[r->number] = (struct tg_case_rule){.policy = p, .rule = r};
    check_expects(f);
    for (struct tg_case *t = f->cases; t != NULL; t = t->next)
        if (t->rows != NULL)
            load_rows(f, t);
    if (f->conf.errors > 0) {
        end_sets(f);
        f->set = NULL;
    }
}

struct tg_case_file *tg_case_file_new(const char *name)
{
    struct tg_case_file *f = calloc(1, sizeof(*f));
    char *folder = tg_settings_folder(name);

    CHECK(f != NULL);
    tg_arena_init(&f->arena);
    f->name = tg_arena_dup(&f->arena, tg_str_of(name)).p;
    tg_conf_init(&f->conf, &f->arena, tg_arena_dup(&f->arena, tg_str_of(folder)).p);
    free(folder);
    policy_cases_load(f);
    return f;
}

void tg_case_file_end(struct tg_case_file *f)
{
    struct tg_arena arena = f->arena;

    end_sets(f);
    free(f);
    tg_arena_end(&arena);
}

/* --- running --- */

struct run {
    struct tg_case_file *file;
    struct tg_case *at;
    struct tg_request *request;
};

static void policy_cases_note(void *context, const struct tg_policy_outcome *o)
{
    struct run *run = context;
    struct tg_case_rule *seen = &run->file->rules[o->rule->number];

    if (o->result == TG_RULE_PASS)
        seen->passed++;
    else if (o->nfaults > 0)
        seen->failed++;
    for (struct tg_case_expect *e = run->at->expects; e != NULL; e = e->next)
        if (find_rule(set_of(run->file, run->at), e->subject) == o->rule)
            e->got = tg_str_of(tg_rule_result_word(o->result));
    tg_policy_report(run->request, o);
}

/* A JSON text, or that of a file; false with `error` set when it cannot be read. */
static bool policy_cases_read_body(struct tg_case_file *f, struct tg_case *t, struct tg_str name,
                                   struct tg_str *out)
{
    struct tg_file file = {.text = name};

    t->unread = name;
    if (name.n > 0 && *name.p != '{')
        t->error = tg_file_read(&f->arena, tg_conf_path(&f->conf, name).p, &file);
    *out = file.text;
    return t->error == NULL;
}

/* The case's request; false with `error` set when its body cannot be read. */
static bool make_request(struct tg_case_file *f, struct tg_case *t, struct tg_request *r)
{
    struct tg_field *fields = tg_arena_zalloc(&f->arena, t->nfields + 1, sizeof(*fields));
    struct tg_str body;

    if (!policy_cases_read_body(f, t, t->body, &body))
        return false;
    for (unsigned i = 0; i < t->nfields; i++)
        fields[i] = t->fields[i];
    fields[t->nfields] = (struct tg_field){TG_STR("Content-Type"), TG_STR("application/json")};
    tg_request_init(r, &f->arena);
    r->method = t->method.n > 0 ? t->method : TG_STR("PUT");
    r->route = t->route;
    r->bodyless = t->body.n == 0;
    r->fields = fields;
    r->nfields = t->nfields + 1;
    r->project_id = t->project_id;
    r->config_name = t->config_name;
    r->client_address = t->client;
    r->body = body;
    (void)tg_request_identify(r);
    if (tg_str_starts(t->principal, TG_STR("tls:")))
        r->tls_principal = tg_str_skip(t->principal, 4);
    else
        r->principal = t->principal.n > 0 ? t->principal : r->access_key;
    return true;
}

static void policy_cases_publish(struct tg_request *r, const struct tg_case_live *live)
{
    enum tg_live_kind kind = tg_live_infos[live->name].kind;

    if (live->texts[0].n == 0)
        tg_live_set_absent(r, live->name);
    else if (kind == TG_LIVE_LIST)
        tg_live_set_list(r, live->name, live->texts, live->n);
    else if (kind == TG_LIVE_NUMBER)
        tg_live_set_number(r, live->name, live->texts[0]);
    else
        tg_live_set_text(r, live->name, live->texts[0]);
}

/* The config that stands there already, repaired as the request's is. */
static bool publish_old(struct tg_case_file *f, struct tg_case *t, struct tg_request *r,
                        const struct tg_location *before)
{
    struct tg_request *old = tg_arena_alloc(&f->arena, sizeof(*old));
    struct tg_chain chain = {0};

    if (t->old.n == 0)
        return true;
    if (tg_str_eq(t->old, TG_STR("none"))) {
        tg_live_set_old(r, NULL, 0);
        return true;
    }
    tg_request_init(old, &f->arena);
    old->fields = r->fields;
    old->nfields = r->nfields;
    if (!policy_cases_read_body(f, t, t->old, &old->body))
        return false;
    tg_chain_begin(&chain, &before->filters, old);
    if (tg_chain_run(&chain) != TG_NEXT)
        t->error = "it is no config";
    tg_chain_done(&chain);
    if (t->error == NULL)
        tg_live_set_old(r, old->doc, old->config);
    return t->error == NULL;
}

/* Why a request is refused, in the arena. */
static struct tg_str first_reason(const struct tg_request *r)
{
    struct tg_buf text = {0};
    struct tg_str why;

    if (r->report.first == NULL)
        return r->error_detail;
    tg_finding_text(&text, r->report.first, false);
    why = tg_arena_dup(r->arena, tg_buf_str(&text));
    tg_buf_end(&text);
    return why;
}

static enum tg_decision policy_cases_judge(struct run *run, const struct tg_location *before)
{
    struct tg_chain chain = {0};
    struct tg_request *r = run->request;
    enum tg_verdict verdict;

    tg_chain_begin(&chain, &before->filters, r);
    verdict = tg_chain_run(&chain);
    tg_chain_done(&chain);
    if (verdict != TG_NEXT) {
        run->at->why = first_reason(r);
        return TG_DECISION_INVALID;
    }
    tg_policy_eval(set_of(run->file, run->at), r, policy_cases_note, run);
    if (r->report.violations > 0)
        return TG_DECISION_DENY;
    return r->report.warnings > 0 ? TG_DECISION_WARN : TG_DECISION_ALLOW;
}

static void run_case(struct tg_case_file *f, struct tg_case *t, const struct tg_location *before)
{
    struct tg_request request;
    struct run run = {f, t, &request};
    struct tg_str decision;

    for (struct tg_case_expect *e = t->expects; e != NULL; e = e->next)
        e->got = tg_str_of(tg_rule_result_word(TG_RULE_SKIP));
    if (!make_request(f, t, &request) || !publish_old(f, t, &request, before))
        return;
    for (const struct tg_case_live *live = t->live; live != NULL; live = live->next)
        policy_cases_publish(&request, live);
    tg_clock_freeze(t->now);
    decision = tg_str_of(tg_decision_word(policy_cases_judge(&run, before)));
    tg_clock_freeze(0);
    for (struct tg_case_expect *e = t->expects; e != NULL; e = e->next) {
        if (tg_str_eq(e->subject, TG_STR("decision")))
            e->got = decision;
        t->failed += !tg_str_eq(e->wanted, e->got);
    }
}

void tg_case_file_run(struct tg_case_file *f, const struct tg_location *before)
{
    CHECK(f->set != NULL && before->filters.n > 0);
    for (struct tg_case *t = f->cases; t != NULL; t = t->next) {
        uint64_t started = tg_clock_mono_now();

        run_case(f, t, before);
        t->took_us = tg_clock_mono_now() - started;
    }
}
