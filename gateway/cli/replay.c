/* `trainguard replay`: what candidate policies would have done to recorded requests. */
#include "cli/replay.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "chain/live.h"
#include "cli/commands.h"
#include "http/methods.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAME = 0, NEWLY_DENIED = 1, CANNOT_RUN = 2, MAX_GLOBS = 32 };

struct options {
    struct tg_str globs[MAX_GLOBS];
    unsigned nglobs;
    bool enforce;
    bool exit_zero;
    uint64_t top; /* 0: all */
    const struct tg_replay_format *format;
    struct tg_audit_filter filter;
};

struct replay {
    const struct options *options;
    const struct tg_policy_set *set;
    struct tg_arena arena; /* of the record at hand */
    struct tg_replay_run run;

    /* the record at hand */
    struct tg_doc doc;
    struct tg_request request;
    struct tg_replay_refusal *refusals;
    struct tg_replay_refusal **last;
};

/* --- judging --- */

/* With --enforce every rule counts as if its mode were `deny`. */
static bool refuses(const struct replay *p, const struct tg_policy_outcome *o)
{
    if (!p->options->enforce || o->exception != NULL || o->result == TG_RULE_PASS ||
        o->result == TG_RULE_SKIP)
        return o->denies;
    return o->result != TG_RULE_ERROR || o->policy->on_error == TG_POLICY_ERROR_DENY;
}

static void replay_note(void *context, const struct tg_policy_outcome *o)
{
    struct replay *p = context;
    const struct tg_str place = TG_STR("/request.body");
    const struct tg_policy_result *result;
    struct tg_replay_refusal *f;

    if (!refuses(p, o))
        return;
    tg_policy_report(&p->request, o);
    result = p->request.report.last_result;
    CHECK(result->pointer.n == 0 || tg_str_starts(result->pointer, place));
    f = tg_arena_zalloc(&p->arena, 1, sizeof(*f));
    *f = (struct tg_replay_refusal){
        o->policy, o->rule, tg_str_skip(result->pointer, result->pointer.n > 0 ? place.n : 0),
        tg_result_text(&p->request.report, result), NULL};
    *p->last = f;
    p->last = &f->next;
}

/* What the format is result of the record at hand. */
static void tell_change(struct replay *p)
{
    const struct tg_replay_change change = {
        .denied = p->refusals != NULL,
        .time = tg_audit_text(&p->doc, 0, TG_STR("time")),
        .request_id = tg_audit_text(&p->doc, 0, TG_STR("request_id")),
        .project_id = p->request.project_id,
        .config_name = p->request.config_name,
        .refusals = p->refusals,
    };

    if (!p->run.quiet)
        p->options->format->change(&p->run, &change);
}

/* Counts a request that was judged, and its refusals by their rules. */
static void replay_count(struct replay *p, bool was_denied)
{
    static const enum tg_replay_count what[2][2] = {{TG_REPLAY_PASSES, TG_REPLAY_NEWLY_DENIED},
                                                    {TG_REPLAY_NEWLY_PASSES, TG_REPLAY_DENIED}};

    p->run.count[what[was_denied][p->refusals != NULL]]++;
    for (const struct tg_replay_refusal *f = p->refusals; f != NULL; f = f->next) {
        struct tg_replay_rule *r = &p->run.rules[f->rule->number];

        r->refused++;
        r->newly += !was_denied;
    }
}

/* The texts of an array; *n is how many. */
static const struct tg_str *texts_of(struct replay *p, uint32_t array, unsigned *n)
{
    struct tg_str *texts;

    *n = 0;
    for (uint32_t e = tg_doc_first(&p->doc, array); e != TG_NONE; e = tg_doc_next(&p->doc, e))
        ++*n;
    texts = tg_arena_zalloc(&p->arena, *n, sizeof(*texts));
    *n = 0;
    for (uint32_t e = tg_doc_first(&p->doc, array); e != TG_NONE; e = tg_doc_next(&p->doc, e))
        if (tg_doc_type(&p->doc, e) == TG_STRING)
            texts[(*n)++] = tg_doc_string(&p->doc, e);
    return texts;
}

/* A value that the request was judged by; one of another type than it has is not known. */
static void replay_publish(struct replay *p, enum tg_live_name name, uint32_t node)
{
    enum tg_node_type type = tg_doc_type(&p->doc, node);
    enum tg_live_kind kind = tg_live_infos[name].kind;
    unsigned n;

    if (type == TG_NULL) {
        tg_live_set_absent(&p->request, name);
    } else if (kind == TG_LIVE_TEXT && type == TG_STRING) {
        tg_live_set_text(&p->request, name, tg_doc_string(&p->doc, node));
    } else if (kind == TG_LIVE_NUMBER && type == TG_NUMBER) {
        tg_live_set_number(&p->request, name, tg_doc_text(&p->doc, node));
    } else if (kind == TG_LIVE_LIST && type == TG_ARRAY) {
        const struct tg_str *texts = texts_of(p, node, &n);

        tg_live_set_list(&p->request, name, texts, n);
    }
}

static void publish_all(struct replay *p)
{
    uint32_t live = tg_doc_member(&p->doc, 0, TG_STR("live"));
    uint32_t old;

    if (live == TG_NONE || tg_doc_type(&p->doc, live) != TG_OBJECT)
        return;
    for (unsigned i = 0; i < TG_LIVE_NAMES; i++) {
        uint32_t node = tg_doc_member(&p->doc, live, tg_str_of(tg_live_infos[i].name));

        if (node != TG_NONE)
            replay_publish(p, (enum tg_live_name)i, node);
    }
    old = tg_doc_member(&p->doc, live, TG_STR("old"));
    if (old != TG_NONE && tg_doc_type(&p->doc, old) == TG_NULL)
        tg_live_set_old(&p->request, NULL, 0);
    else if (old != TG_NONE)
        tg_live_set_old(&p->request, &p->doc, old);
}

/* `body` is the config in the record, or TG_NONE: the request had no body. */
static void replay_judge(struct replay *p, uint32_t body, bool was_denied)
{
    struct tg_request *r = &p->request;

    tg_request_init(r, &p->arena);
    r->doc = body != TG_NONE ? &p->doc : NULL;
    r->config = body != TG_NONE ? body : 0;
    r->method = tg_audit_text(&p->doc, 0, TG_STR("http.request.method"));
    r->route = tg_audit_text(&p->doc, 0, TG_STR("http.route"));
    publish_all(p);
    r->project_id = tg_audit_text(&p->doc, 0, TG_STR("project_id"));
    r->config_name = tg_audit_text(&p->doc, 0, TG_STR("config_name"));
    r->client_address = tg_audit_text(&p->doc, 0, TG_STR("client.address"));
    r->principal = tg_audit_text(&p->doc, 0, TG_STR("principal"));
    r->tls_principal = tg_audit_text(&p->doc, 0, TG_STR("tls.principal"));
    p->refusals = NULL;
    p->last = &p->refusals;
    tg_policy_eval(p->set, r, replay_note, p);
    p->run.count[TG_REPLAY_UNKNOWN] += r->report.nunknown > 0;
    replay_count(p, was_denied);
    if (was_denied != (p->refusals != NULL))
        tell_change(p);
}

/* --- records --- */

static bool holds_redacted(const struct tg_doc *d, uint32_t node)
{
    struct tg_str text = tg_doc_text(d, node);

    return memmem(text.p, text.n, "\"hmac-sha256:", 13) != NULL;
}

/* True when rules can be judged without a body: the request had none, or no rule looks at one. */
static bool had_no_body(const struct replay *p)
{
    const struct tg_doc *d = &p->doc;

    return p->set->needs_document == NULL ||
           (tg_doc_member(d, 0, TG_STR("request.sha256")) == TG_NONE &&
            tg_method_needs_no_body(tg_audit_text(d, 0, TG_STR("http.request.method"))));
}

static void take_record(struct replay *p)
{
    const struct tg_doc *d = &p->doc;
    struct tg_str decision = tg_audit_text(d, 0, TG_STR("decision"));
    uint32_t body = tg_doc_member(d, 0, TG_STR("request.body"));
    uint32_t full = tg_doc_member(d, 0, TG_STR("request.body_full"));
    bool denied = tg_str_eq(decision, TG_STR("deny"));

    if (!tg_str_eq(tg_audit_text(d, 0, TG_STR("event")), TG_STR("outcome")) ||
        !tg_audit_passes(&p->options->filter, d))
        return;
    p->run.count[TG_REPLAY_RECORDS]++;
    if (tg_str_eq(decision, TG_STR("invalid"))) {
        p->run.count[TG_REPLAY_INVALID]++;
    } else if (had_no_body(p)) {
        replay_judge(p, TG_NONE, denied);
    } else if (body == TG_NONE || full == TG_NONE || tg_doc_type(d, body) != TG_OBJECT) {
        p->run.count[TG_REPLAY_BODILESS]++;
    } else {
        p->run.count[TG_REPLAY_REDACTED] += holds_redacted(d, body);
        replay_judge(p, body, denied);
    }
}

/* Writes all but the last `kept` bytes; false when standard output takes nothing more. */
static bool write_out(struct tg_buf *out, size_t kept)
{
    size_t n = out->n > kept ? out->n - kept : 0;
    bool good = fwrite(out->p, 1, n, stdout) == n;

    memmove(out->p, out->p + n, out->n - n);
    out->n -= n;
    return good;
}

static bool replay_take_line(void *context, struct tg_str line, const struct tg_audit_place *place)
{
    struct replay *p = context;

    (void)place;
    tg_arena_reset(&p->arena);
    if (tg_audit_is_other(line))
        return true;
    if (tg_audit_parse(&p->doc, &p->arena, line))
        take_record(p);
    else
        p->run.count[TG_REPLAY_UNREAD]++;
    return p->run.out.n == 0 || write_out(&p->run.out, 1); /* by it the JSON writer sets commas */
}

/* --- the rules --- */

/* The one that refuses most first; else as they stand in the files. */
static int compare_rules(const void *left, const void *right)
{
    const struct tg_replay_rule *a = left, *b = right;

    if (a->refused != b->refused)
        return a->refused > b->refused ? -1 : 1;
    return (a->rule->number > b->rule->number) - (a->rule->number < b->rule->number);
}

static void list_rules(struct replay *p)
{
    p->run.began = tg_clock_mono_now();
    p->run.nrules = p->set->nrules;
    p->run.rules = calloc(p->run.nrules, sizeof(*p->run.rules));
    CHECK(p->run.rules != NULL);
    for (const struct tg_policy *y = p->set->policies; y != NULL; y = y->next)
        for (const struct tg_policy_rule *r = y->rules; r != NULL; r = r->next)
            p->run.rules[r->number] = (struct tg_replay_rule){.policy = y, .rule = r};
}

static void sort_rules(struct replay *p)
{
    qsort(p->run.rules, p->run.nrules, sizeof(*p->run.rules), compare_rules);
    if (p->options->top > 0 && p->options->top < p->run.nrules)
        p->run.nrules = (unsigned)p->options->top;
}

/* --- the command --- */

static void replay_usage(void)
{
    fputs(
        "Usage: trainguard replay --policy PATTERN [--enforce] [--project ID] [--since TIME]\n"
        "                         [--output text|json|junit] [--quiet] [--top N] [--exit-zero]\n"
        "                         AUDIT...\n\n"
        "Judges the requests of audit logs by candidate policies, as of now.\n\n"
        "  --policy PATTERN  the candidate's files (may be repeated)\n"
        "  --enforce         every rule as if its mode were `deny`\n"
        "  --project ID      only requests of this project\n"
        "  --since TIME      only those at or after it: 2026-01-31, 2026-01-31T12:00 (UTC),\n"
        "                    2026-01-31T20:00+08:00, or 90m, 12h, 7d, 4w ago\n"
        "  --output FORMAT   text (default), json, or junit: a case per rule of the candidate,\n"
        "                    which fails when it would newly deny requests\n"
        "  --quiet           only the sums, no request by itself\n"
        "  --top N           only the N rules that would refuse most\n"
        "  --exit-zero       what is newly denied is no failure: exit status 0\n"
        "  -h, --help        print this and exit\n\n"
        "Only records with a whole body (audit_body full) can be replayed, and those of requests\n"
        "that had none, or where no rule of the candidate looks into it; the rest is counted.\n"
        "Headers are not on record: a policy that matches one applies, an exception that does "
        "not. Of parts of a log, printed as JSON with --quiet, all numbers add up.\n"
        "Exit status: 0 nothing is newly denied, 1 something is, 2 files cannot be read, or\n"
        "wrong usage. Of both, xargs makes 123; with --exit-zero that is a failure.\n",
        stdout);
}

static const char *set_format(struct options *o, const char *word)
{
    for (o->format = tg_replay_formats; o->format->name != NULL; o->format++)
        if (strcmp(o->format->name, word) == 0)
            return NULL;
    return "--output takes text, json or junit";
}

/* NULL, or what is wrong with it. */
static const char *replay_set_option(struct replay *p, struct options *o, int option)
{
    switch (option) {
    case 'p':
        if (o->nglobs == MAX_GLOBS)
            return "too many --policy";
        o->globs[o->nglobs++] = tg_str_of(optarg);
        return NULL;
    case 'e':
        o->enforce = true;
        return NULL;
    case 'P':
        o->filter.project = tg_str_of(optarg);
        return NULL;
    case 's':
        return tg_audit_bound(&o->filter.since, tg_str_of(optarg)) ? NULL : "--since takes a time";
    case 'o':
        return set_format(o, optarg);
    case 'q':
        p->run.quiet = true;
        return NULL;
    case 'z':
        o->exit_zero = true;
        return NULL;
    default:
        CHECK(option == 't');
        return tg_str_u64(tg_str_of(optarg), &o->top) && o->top > 0 ? NULL
                                                                    : "--top takes a number from 1";
    }
}

/* Negative when the command is to go on, else its exit status. */
static int replay_read_options(int argc, char **argv, struct replay *p, struct options *o)
{
    static const struct option names[] = {
        {"policy", required_argument, NULL, 'p'},  {"enforce", no_argument, NULL, 'e'},
        {"project", required_argument, NULL, 'P'}, {"since", required_argument, NULL, 's'},
        {"output", required_argument, NULL, 'o'},  {"quiet", no_argument, NULL, 'q'},
        {"top", required_argument, NULL, 't'},     {"exit-zero", no_argument, NULL, 'z'},
        {"help", no_argument, NULL, 'h'},          {0}};
    int c;

    while ((c = tg_command_option("replay", argc, argv, ":h", names)) != -1) {
        const char *wrong;

        if (c == 'h') {
            replay_usage();
            return SAME;
        }
        wrong = c == '?' ? NULL : replay_set_option(p, o, c);
        if (c == '?' || wrong != NULL)
            return tg_command_misused("replay", wrong);
    }
    if (o->nglobs == 0)
        return tg_command_misused("replay", "no --policy given");
    return optind == argc ? tg_command_misused("replay", "no AUDIT file given") : -1;
}

static int replay_run(struct replay *p, char **files, int nfiles)
{
    const struct tg_audit_reading reading = {.on_line = replay_take_line, .context = p};
    const struct tg_replay_format *format = p->options->format;
    bool read;

    tg_arena_init(&p->arena);
    list_rules(p);
    if (format->begin != NULL)
        format->begin(&p->run);
    read = tg_audit_read(files, nfiles, false, &reading);
    sort_rules(p);
    format->end(&p->run);
    (void)write_out(&p->run.out, 0);
    for (unsigned i = 0; i < p->set->nrules; i++)
        tg_buf_end(&p->run.rules[i].judged);
    free(p->run.rules);
    tg_buf_end(&p->run.out);
    tg_arena_end(&p->arena);
    if (!read)
        return CANNOT_RUN;
    return p->run.count[TG_REPLAY_NEWLY_DENIED] > 0 && !p->options->exit_zero ? NEWLY_DENIED : SAME;
}

int tg_replay_main(int argc, char **argv)
{
    struct options o = {.format = tg_replay_formats};
    struct replay p = {.options = &o};
    struct tg_arena arena;
    struct tg_conf conf;
    struct tg_policy_set *set;
    int status = replay_read_options(argc, argv, &p, &o);

    if (status >= 0)
        return status;
    tg_arena_init(&arena);
    tg_conf_init(&conf, &arena, "./");
    set = tg_policy_load(&conf, NULL, o.globs, o.nglobs);
    for (const struct tg_conf_problem *at = conf.problems; at != NULL; at = at->next)
        tg_complain("trainguard: [%s] %s", at->level == TG_CONF_WARN ? "warn" : "emerg", at->text);
    p.set = set;
    status =
        set != NULL && set->nrules > 0 ? replay_run(&p, argv + optind, argc - optind) : CANNOT_RUN;
    tg_policy_end(set);
    tg_arena_end(&arena);
    return status;
}
