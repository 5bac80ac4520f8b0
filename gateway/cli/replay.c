/* `trainguard replay`: what candidate policies would have done to recorded requests. */
#include "base/check.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/excerpt.h"
#include "policy/policy.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAME = 0, NEWLY_DENIED = 1, CANNOT_RUN = 2, MAX_GLOBS = 32 };

struct options {
    struct tg_str globs[MAX_GLOBS];
    unsigned nglobs;
    bool enforce;
};

struct replay {
    const struct options *options;
    const struct tg_policy_set *set;
    struct tg_arena arena; /* of the record at hand */
    unsigned *denied;      /* by rule number: requests it would refuse */
    uint64_t records;
    uint64_t unread;
    uint64_t bodiless;
    uint64_t others;  /* refused before policy saw them */
    uint64_t unknown; /* records that lack a subject that policies ask for */
    uint64_t redacted;
    uint64_t changed[2][2]; /* [was denied][would be denied] */

    /* the record at hand */
    struct tg_doc doc;
    struct tg_request request;
    struct tg_buf rules;
    bool would_deny;
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

static void note(void *context, const struct tg_policy_outcome *o)
{
    struct replay *p = context;
    const struct tg_str place = TG_STR("/request.body");
    const struct tg_policy_result *told;

    if (!refuses(p, o))
        return;
    p->would_deny = true;
    p->denied[o->rule->number]++;
    tg_policy_report(&p->request, o);
    told = p->request.report.last_result;
    CHECK(tg_str_starts(told->pointer, place));
    tg_buf_printf(&p->rules, "    %s.%s: %.*s %.*s\n", o->policy->name.p, o->rule->name.p,
                  TG_STR_ARG(tg_str_skip(told->pointer, place.n)),
                  TG_STR_ARG(tg_result_text(&p->request.report, told)));
}

static void print_change(const struct replay *p, const char *what)
{
    const struct tg_doc *d = &p->doc;
    struct tg_buf text = {0};

    tg_buf_printf(&text, "%s: %.*s/%.*s at %.*s, request %.*s\n", what,
                  TG_STR_ARG(p->request.project_id), TG_STR_ARG(p->request.config_name),
                  TG_STR_ARG(tg_audit_text(d, 0, TG_STR("time"))),
                  TG_STR_ARG(tg_audit_text(d, 0, TG_STR("request_id"))));
    tg_buf_add(&text, tg_buf_str(&p->rules));
    tg_excerpt_print(tg_buf_str(&text));
    tg_buf_end(&text);
}

static void judge(struct replay *p, uint32_t body, bool was_denied)
{
    struct tg_request *r = &p->request;

    tg_request_init(r, &p->arena);
    r->doc = &p->doc;
    r->config = body;
    r->project_id = tg_audit_text(&p->doc, 0, TG_STR("project_id"));
    r->config_name = tg_audit_text(&p->doc, 0, TG_STR("config_name"));
    r->client_address = tg_audit_text(&p->doc, 0, TG_STR("client.address"));
    r->principal = tg_audit_text(&p->doc, 0, TG_STR("principal"));
    r->tls_principal = tg_audit_text(&p->doc, 0, TG_STR("tls.principal"));
    p->rules.n = 0;
    p->would_deny = false;
    tg_policy_eval(p->set, r, note, p);
    p->unknown += r->report.nunknown > 0;
    p->changed[was_denied][p->would_deny]++;
    if (was_denied != p->would_deny)
        print_change(p, p->would_deny ? "newly denied" : "newly passes");
}

/* --- records --- */

static bool holds_redacted(const struct tg_doc *d, uint32_t node)
{
    struct tg_str text = tg_doc_text(d, node);

    return memmem(text.p, text.n, "\"hmac-sha256:", 13) != NULL;
}

static void take_record(struct replay *p)
{
    const struct tg_doc *d = &p->doc;
    struct tg_str decision = tg_audit_text(d, 0, TG_STR("decision"));
    uint32_t body = tg_doc_member(d, 0, TG_STR("request.body"));
    uint32_t full = tg_doc_member(d, 0, TG_STR("request.body_full"));
    bool denied = tg_str_eq(decision, TG_STR("deny"));

    if (!tg_str_eq(tg_audit_text(d, 0, TG_STR("event")), TG_STR("outcome")))
        return;
    p->records++;
    if (tg_str_eq(decision, TG_STR("invalid"))) {
        p->others++;
    } else if (body == TG_NONE || full == TG_NONE || tg_doc_type(d, body) != TG_OBJECT) {
        p->bodiless++;
    } else {
        p->redacted += holds_redacted(d, body);
        judge(p, body, denied);
    }
}

static bool take_line(void *context, struct tg_str line, const struct tg_audit_place *place)
{
    struct replay *p = context;

    (void)place;
    tg_arena_reset(&p->arena);
    if (tg_audit_is_other(line))
        return true;
    if (tg_audit_parse(&p->doc, &p->arena, line))
        take_record(p);
    else
        p->unread++;
    return true;
}

/* --- the end --- */

static void print_count(uint64_t n, const char *what)
{
    if (n > 0)
        printf("%8llu %s\n", (unsigned long long)n, what);
}

static void print_rules(const struct replay *p)
{
    for (const struct tg_policy *y = p->set->policies; y != NULL; y = y->next)
        for (const struct tg_policy_rule *r = y->rules; r != NULL; r = r->next)
            if (p->denied[r->number] > 0)
                printf("%8u refused by %s.%s\n", p->denied[r->number], y->name.p, r->name.p);
}

static void print_summary(const struct replay *p)
{
    printf("%llu records\n", (unsigned long long)p->records);
    print_count(p->changed[0][1], "newly denied");
    print_count(p->changed[1][0], "newly pass");
    print_count(p->changed[1][1], "denied as before");
    print_count(p->changed[0][0], "pass as before");
    print_count(p->others, "were invalid and never reached policy");
    print_count(p->bodiless, "could not be replayed: they have no full body (audit_body full)");
    print_count(p->unknown, "lack a subject that policies ask for, rules were left on");
    print_count(p->redacted, "have redacted values, rules on those may judge otherwise");
    print_count(p->unread, "lines are no records");
    print_rules(p);
}

static void usage(void)
{
    fputs("Usage: trainguard replay --policy PATTERN [--enforce] AUDIT...\n\n"
          "Judges the requests of audit logs by candidate policies, as of now.\n\n"
          "  --policy PATTERN  the candidate's files (may be repeated)\n"
          "  --enforce         every rule as if its mode were `deny`\n"
          "  -h, --help        print this and exit\n\n"
          "Only records with a whole body (audit_body full) can be replayed; the rest is counted.\n"
          "Headers are not on record: a policy that matches one applies, an exception that does "
          "not.\n"
          "Exit status: 0 nothing is newly denied, 1 something is, 2 files cannot be read.\n",
          stdout);
}

/* Negative when the command is to go on, else its exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {{"policy", required_argument, NULL, 'p'},
                                          {"enforce", no_argument, NULL, 'e'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (c == 'h') {
            usage();
            return SAME;
        }
        if (c == '?' || (c == 'p' && o->nglobs == MAX_GLOBS))
            return tg_command_misused("replay", c == '?' ? NULL : "too many --policy");
        if (c == 'p')
            o->globs[o->nglobs++] = tg_str_of(optarg);
        o->enforce = o->enforce || c == 'e';
    }
    if (o->nglobs == 0)
        return tg_command_misused("replay", "no --policy given");
    return optind == argc ? tg_command_misused("replay", "no AUDIT file given") : -1;
}

static int run(struct replay *p, char **files, int nfiles)
{
    const struct tg_audit_reading reading = {.on_line = take_line, .context = p};
    bool read;

    tg_arena_init(&p->arena);
    p->denied = calloc(p->set->nrules, sizeof(*p->denied));
    CHECK(p->denied != NULL);
    read = tg_audit_read(files, nfiles, false, &reading);
    print_summary(p);
    free(p->denied);
    tg_buf_end(&p->rules);
    tg_arena_end(&p->arena);
    if (!read)
        return CANNOT_RUN;
    return p->changed[0][1] > 0 ? NEWLY_DENIED : SAME;
}

int tg_replay_main(int argc, char **argv)
{
    struct options o = {0};
    struct replay p = {.options = &o};
    struct tg_arena arena;
    struct tg_conf conf;
    struct tg_policy_set *set;
    int status = read_options(argc, argv, &o);

    if (status >= 0)
        return status;
    tg_arena_init(&arena);
    tg_conf_init(&conf, &arena, "./");
    set = tg_policy_load(&conf, NULL, o.globs, o.nglobs);
    for (const struct tg_conf_problem *at = conf.problems; at != NULL; at = at->next)
        fprintf(stderr, "trainguard: [%s] %s\n", at->level == TG_CONF_WARN ? "warn" : "emerg",
                at->text);
    p.set = set;
    status = set != NULL && set->nrules > 0 ? run(&p, argv + optind, argc - optind) : CANNOT_RUN;
    tg_policy_end(set);
    tg_arena_end(&arena);
    return status;
}
