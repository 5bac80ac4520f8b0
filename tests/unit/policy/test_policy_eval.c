/* Paths, groups, modes, matches, exceptions: what rules come to, and what is told of it. */
#include "policy_fixture.h"

struct judged {
    const char *policies;
    const char *body;
    const char *results; /* ! denies, ? warns, - switched off by an exception */
};

static void judge_all(const struct judged *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct bench b;

        bench_good(&b, cases[i].policies);
        bench_body(&b, cases[i].body);
        bench_expect(&b, cases[i].results, cases[i].body);
        bench_end(&b);
    }
}

#define JUDGE(cases) judge_all(cases, sizeof(cases) / sizeof(*(cases)))
#define RULE(text)   "policy p { rule r { " text " } }"

static void paths(void **state)
{
    static const struct judged cases[] = {
        {RULE("at flavor.code; equals a;"), "{\"flavor\":{\"code\":\"a\"}}", "p.r=pass"},
        {RULE("at flavor.code; equals a;"), "{\"flavor\":{}}", "p.r=skip"},
        {RULE("at flavor.code; equals a;"), "{\"flavor\":null}", "p.r=skip"},
        {RULE("at flavor.code; equals a;"), "{\"flavor\":\"a\"}", "p.r=fail!"},
        {RULE("at flavor.code; required; equals a;"), "{\"flavor\":{}}", "p.r=fail!"},
        {RULE("at parameter[*].label; matches ^a;"),
         "{\"parameter\":[{\"label\":\"a\"},{\"label\":\"b\"}]}", "p.r=fail!"},
        {RULE("at parameter[*].label; matches ^a;"),
         "{\"parameter\":[{\"label\":\"a\"},{\"label\":\"ab\"}]}", "p.r=pass"},
        {RULE("at parameter[*].label; matches ^a;"), "{\"parameter\":[]}", "p.r=skip"},
        {RULE("at parameter[*].label; matches ^a;"), "{\"parameter\":{\"label\":\"a\"}}",
         "p.r=fail!"},
        {RULE("at parameter[*].label; matches ^a;"), "{\"parameter\":[\"a\"]}", "p.r=fail!"},
        {RULE("at parameter[*].label; matches ^a;"), "{\"parameter\":[{\"label\":\"a\"},{}]}",
         "p.r=pass"},
        {RULE("at parameter[*].label; required;"), "{\"parameter\":[{\"label\":\"a\"},{}]}",
         "p.r=fail!"},
        {RULE("at parameter[*].label; required;"), "{\"parameter\":[]}", "p.r=fail!"},
        {RULE("at parameter[label=lr].value; max 1;"),
         "{\"parameter\":[{\"label\":\"x\",\"value\":\"9\"},{\"label\":\"lr\",\"value\":\"1\"}]}",
         "p.r=pass"},
        {RULE("at parameter[label=lr].value; max 1;"),
         "{\"parameter\":[{\"label\":\"lr\",\"value\":\"1\"},{\"label\":\"l\\u0072\","
         "\"value\":\"2\"}]}",
         "p.r=fail!"},
        {RULE("at parameter[label=lr].value; max 1;"), "{\"parameter\":[{\"label\":\"x\"}]}",
         "p.r=skip"},
        {RULE("at parameter[label=lr].value; required; max 1;"),
         "{\"parameter\":[{\"label\":\"x\"}]}", "p.r=fail!"},
        {RULE("at data_source[type=obs].data_url; prefix /ml/a/;"),
         "{\"data_source\":[{\"type\":\"dataset\"},{\"type\":\"obs\",\"data_url\":\"/xyz/b\"}]}",
         "p.r=fail!"},
        {RULE("at_unknown new.deep[*]; in a b;"), "{\"new\":{\"deep\":[\"a\",\"b\"]}}", "p.r=pass"},
        {RULE("at_unknown new.deep[*]; in a b;"), "{\"new\":{\"deep\":[\"a\",1]}}", "p.r=fail!"},
        {RULE("at spec_id; max 4;"), "{\"sp\\u0065c_id\":5}", "p.r=fail!"},
        {RULE("at spec_id; max 4;"), "[5]", "p.r=fail!"},
        {RULE("at spec_id; max 4;"), "5", "p.r=fail!"},
    };

    (void)state;
    JUDGE(cases);
}

static void groups(void **state)
{
#define GROUP RULE("any_of data_url data_source[*].data_url { required; prefix /abc/; }")
    static const struct judged cases[] = {
        {GROUP, "{\"data_url\":\"/abc/x\"}", "p.r=pass"},
        {GROUP, "{\"data_source\":[{\"data_url\":\"/abc/x\"}]}", "p.r=pass"},
        {GROUP, "{\"data_url\":\"/abc/x\",\"data_source\":[{\"data_url\":\"/xyz/x\"}]}",
         "p.r=fail!"},
        {GROUP, "{\"data_url\":\"/xyz/x\",\"data_source\":[{\"data_url\":\"/abc/x\"}]}",
         "p.r=fail!"},
        {GROUP, "{\"data_url\":\"\",\"data_source\":null}", "p.r=fail!"},
        {GROUP, "{}", "p.r=fail!"},
        {RULE("any_of data_url train_url { prefix /abc/; }"), "{}", "p.r=skip"},
        {RULE("at spec_id; max 4; any_of data_url { prefix /abc/; }"),
         "{\"spec_id\":4,\"data_url\":\"/xyz/\"}", "p.r=fail!"},
        {RULE("at spec_id; max 4; any_of data_url { prefix /abc/; }"),
         "{\"spec_id\":5,\"data_url\":\"/abc/\"}", "p.r=fail!"},
        {RULE("at spec_id; max 4; any_of data_url { prefix /abc/; }"), "{\"spec_id\":4}",
         "p.r=pass"},
        {RULE("any_of app_url { absent; } any_of data_url { absent; }"), "{\"data_url\":\"/abc/\"}",
         "p.r=fail!"},
    };

    (void)state;
    JUDGE(cases);
}

#define EXPLODES "at config_desc; matches \"^(a+)+$\";"
#define LONG_BODY                                                                                  \
    "{\"spec_id\":5,\"config_desc\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}"

static void modes(void **state)
{
    static const struct judged cases[] = {
        {"policy p { rule r { at spec_id; max 4; } }", "{\"spec_id\":5}", "p.r=fail!"},
        {"policy p { mode deny; rule r { at spec_id; max 4; } }", "{\"spec_id\":5}", "p.r=fail!"},
        {"policy p { mode warn; rule r { at spec_id; max 4; } }", "{\"spec_id\":5}", "p.r=warn?"},
        {"policy p { mode dryrun; rule r { at spec_id; max 4; } }", "{\"spec_id\":5}", "p.r=fail"},
        {"policy p { rule r { at spec_id; max 4; mode warn; } }", "{\"spec_id\":5}", "p.r=warn?"},
        {"policy p { rule r { at spec_id; max 4; mode dryrun; } }", "{\"spec_id\":5}", "p.r=fail"},
        {"policy p { rule r { at spec_id; max 4; mode deny; } mode dryrun; rule s { at spec_id; "
         "min 6; } }",
         "{\"spec_id\":5}", "p.r=fail! p.s=fail"},
        {"policy p { rule r { " EXPLODES " } }", LONG_BODY, "p.r=error!"},
        {"policy p { on_error deny; rule r { " EXPLODES " } }", LONG_BODY, "p.r=error!"},
        {"policy p { on_error allow; rule r { " EXPLODES " } }", LONG_BODY, "p.r=error?"},
        {"policy p { mode warn; rule r { " EXPLODES " } }", LONG_BODY, "p.r=error?"},
        {"policy p { mode dryrun; rule r { " EXPLODES " } }", LONG_BODY, "p.r=error"},
        {"policy p { on_error allow; rule r { " EXPLODES " any_of spec_id { max 4; } } }",
         LONG_BODY, "p.r=fail!"},
        {"policy a { rule r { at spec_id; max 4; } } policy b { rule s { at spec_id; max 3; } rule "
         "t { at spec_id; max 5; } }",
         "{\"spec_id\":5}", "a.r=fail! b.s=fail! b.t=pass"},
    };

    (void)state;
    JUDGE(cases);
}

/* Who asks. The policy denies spec 5; an empty result means that it did not apply. */
static void matches(void **state)
{
    static const struct tg_field fields[] = {{{"X-Team", 6}, {"nlp", 3}},
                                             {{"x-team", 6}, {"vision", 6}}};
    static const struct {
        const char *match;
        bool applies;
    } cases[] = {
        {"project_id p1", true},
        {"project_id p2", false},
        {"project_id p2 p1", true},
        {"project_id ~ ^p[0-9]$", true},
        {"project_id P1", false},
        {"config_name c1", true},
        {"config_name ~ ^d", false},
        {"principal AK1", true},
        {"principal AK2", false},
        {"principal ~ .", true},
        {"principal tls:ops", true},
        {"principal tls:dev", false},
        {"principal ~ ^tls:o", true},
        {"principal AK1; match principal tls:ops", true},
        {"principal ops", false},
        {"client 10.1.2.3", true},
        {"client 10.1.0.0/16", true},
        {"client 10.2.0.0/16 10.1.2.2/31", true},
        {"client 10.1.2.0/31", false},
        {"client 0.0.0.0/0", true},
        {"client ::/0", true},
        {"client ::ffff:10.1.0.0/112", true},
        {"client 2001:db8::/32", false},
        {"header X-Team vision", true},
        {"header X-TEAM ~ ^vis", true},
        {"header X-Team speech", false},
        {"header X-Other ~ .", true},
        {"project_id p1; match config_name c2", false},
        {"config_name ~ ^c; match project_id p1", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_buf text = {0};
        struct bench b;

        tg_buf_printf(&text, "policy p { match %s; rule r { at spec_id; max 4; } }%c",
                      cases[i].match, '\0');
        bench_good(&b, text.p);
        bench_body(&b, "{\"spec_id\":5}");
        b.request.fields = fields;
        b.request.nfields = 2;
        b.request.client_address = TG_STR("10.1.2.3");
        b.request.principal = TG_STR("AK1");
        b.request.tls_principal = TG_STR("ops");
        bench_expect(&b, cases[i].applies ? "p.r=fail!" : "", cases[i].match);
        bench_end(&b);
        tg_buf_end(&text);
    }
}

/* What a request says of itself. */
struct known {
    const char *project, *config, *body, *principal, *certificate, *client, *team;
};

static void know(struct bench *b, const struct known *k)
{
    static struct tg_field field;
    struct tg_request *r = &b->request;

    bench_body(b, "{\"spec_id\":5}");
    field = (struct tg_field){TG_STR("x-team"), tg_str_of(k->team)};
    r->project_id = tg_str_of(k->project);
    r->config_name = tg_str_of(k->config);
    r->body_name = tg_str_of(k->body);
    r->principal = tg_str_of(k->principal);
    r->tls_principal = tg_str_of(k->certificate);
    r->client_address = tg_str_of(k->client);
    r->fields = &field;
    r->nfields = k->team != NULL ? 1 : 0;
}

/* Each subject met, not met and absent, where it switches a policy on, off, and a rule off: what is
 * not known leaves the rule on. */
static void unknown_subjects(void **state)
{
    static const struct {
        const char *subject;
        struct known known;
        char is; /* y: met, n: not met, ?: not known */
    } cases[] = {
        {"project_id p1", {.project = "p1"}, 'y'},
        {"project_id p1", {.project = "p2"}, 'n'},
        {"project_id p1", {0}, '?'},
        {"project_id ~ ^", {0}, '?'},
        {"config_name c1", {.config = "c1"}, 'y'},
        {"config_name c1", {.config = "c2", .body = "c1"}, 'n'},
        {"config_name c1", {.body = "c1"}, 'y'},
        {"config_name c1", {.body = "c2"}, 'n'},
        {"config_name c1", {0}, '?'},
        {"config_name ~ .*", {0}, '?'},
        {"config_name ~ \"^(c+)+1+2$\"", {.config = "cccccccccccccccccccccccccccccc1x2"}, '?'},
        {"principal AK1", {.principal = "AK1"}, 'y'},
        {"principal AK1", {.principal = "AK2"}, 'n'},
        {"principal AK1", {0}, '?'},
        {"principal ~ \"\"", {0}, '?'},
        {"principal tls:ops", {.certificate = "ops"}, 'y'},
        {"principal tls:ops", {.certificate = "dev"}, 'n'},
        {"principal tls:ops", {.principal = "tls:ops"}, '?'},
        {"principal tls:ops", {.principal = "tls:ops", .certificate = "dev"}, 'n'},
        {"principal AK1", {.principal = "AK1", .certificate = "dev"}, 'y'},
        {"client 10.0.0.0/8", {.client = "10.1.2.3"}, 'y'},
        {"client 10.0.0.0/8", {.client = "11.1.2.3"}, 'n'},
        {"client 10.0.0.0/8", {0}, '?'},
        {"client 0.0.0.0/0", {.client = "unix:"}, '?'},
        {"header X-Team vision", {.team = "vision"}, 'y'},
        {"header X-Team vision", {.team = "nlp"}, 'n'},
        {"header X-Team vision", {.team = ""}, '?'},
        {"header X-Team vision", {0}, '?'},
    };
    static const struct {
        const char *policy; /* %s: the subject */
        const char *y, *n, *unknown;
    } uses[] = {
        {"policy p { match %s; rule r { at spec_id; max 4; } }", "p.r=fail!", "", "p.r=fail!"},
        {"policy p { unless %s; rule r { at spec_id; max 4; } }", "", "p.r=fail!", "p.r=fail!"},
        {"policy p { rule r { at spec_id; max 4; } } exception E { policy p; rule r; match %s; "
         "owner o; ticket t; expires 2099-01-31; }",
         "p.r=skip-", "p.r=fail!", "p.r=fail!"},
        {"policy p { rule r { at spec_id; max 4; } } exception E { policy p; rule r; unless %s; "
         "owner o; ticket t; expires 2099-01-31; }",
         "p.r=fail!", "p.r=skip-", "p.r=fail!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t u = 0; u < sizeof(uses) / sizeof(*uses); u++) {
            const char *at = strchr(uses[u].policy, '%');
            struct tg_buf text = {0};
            struct bench b;

            tg_buf_printf(&text, "%.*s%s%s%c", (int)(at - uses[u].policy), uses[u].policy,
                          cases[i].subject, at + 2, '\0');
            bench_good(&b, text.p);
            know(&b, &cases[i].known);
            bench_expect(&b,
                         cases[i].is == 'y'   ? uses[u].y
                         : cases[i].is == 'n' ? uses[u].n
                                              : uses[u].unknown,
                         text.p);
            assert_int_equal(b.request.report.nunknown, cases[i].is == '?');
            if (cases[i].is == '?')
                assert_memory_equal(cases[i].subject, b.request.report.unknown[0],
                                    strlen(b.request.report.unknown[0]));
            bench_end(&b);
            tg_buf_end(&text);
        }
    }
}

/* Several of them: one that is known not to be met decides, one that is not known does not. */
static void known_and_unknown(void **state)
{
    static const struct judged cases[] = {
        {"policy p { match client 10.0.0.0/8; match project_id p2; rule r { at spec_id; max 4; } }",
         "{\"spec_id\":5}", ""},
        {"policy p { match client 10.0.0.0/8; match project_id p1; rule r { at spec_id; max 4; } }",
         "{\"spec_id\":5}", "p.r=fail!"},
        {"policy p { unless client 10.0.0.0/8; unless project_id p1; rule r { at spec_id; max 4; } "
         "}",
         "{\"spec_id\":5}", ""},
        {"policy p { unless project_id p2 p3; match project_id p1; rule r { at spec_id; max 4; } }",
         "{\"spec_id\":5}", "p.r=fail!"},
        {"policy p { unless project_id p2 p1; rule r { at spec_id; max 4; } }", "{\"spec_id\":5}",
         ""},
    };

    (void)state;
    JUDGE(cases);
}

#define WITH_EXCEPTION(lines)                                                                      \
    "policy p { rule r { at spec_id; max 4; } rule s { at spec_id; max 3; } }\n"                   \
    "exception E { policy p; owner o; ticket t; " lines " }"

/* Microseconds of 2027-01-31T00:00:00Z. */
#define LAST_DAY INT64_C(1801353600000000)
#define DAY      INT64_C(86400000000)

static void exceptions_and_their_day(void **state)
{
    static const struct {
        int64_t now;
        const char *results;
    } cases[] = {
        {LAST_DAY - 30 * DAY, "p.r=skip- p.s=fail!"},
        {LAST_DAY - 1, "p.r=skip- p.s=fail!"},
        {LAST_DAY, "p.r=skip- p.s=fail!"},
        {LAST_DAY + DAY - 1, "p.r=skip- p.s=fail!"},
        {LAST_DAY + DAY, "p.r=fail! p.s=fail!"},
        {LAST_DAY + 30 * DAY, "p.r=fail! p.s=fail!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench b;

        tg_clock_freeze(cases[i].now);
        bench_good(&b, WITH_EXCEPTION("rule r; match config_name c1; expires 2027-01-31;"));
        bench_body(&b, "{\"spec_id\":5}");
        bench_expect(&b, cases[i].results, "an exception");
        bench_end(&b);
        tg_clock_freeze(0);
    }
}

static void exceptions_and_their_matches(void **state)
{
    static const struct judged cases[] = {
        {WITH_EXCEPTION("rule r s; match config_name c1; expires 2099-01-31;"), "{\"spec_id\":5}",
         "p.r=skip- p.s=skip-"},
        {WITH_EXCEPTION("rule r s; match config_name c2; expires 2099-01-31;"), "{\"spec_id\":5}",
         "p.r=fail! p.s=fail!"},
        {WITH_EXCEPTION("rule r s; match config_name c1; expires 2099-01-31;"), "{\"spec_id\":4}",
         "p.r=pass p.s=skip-"},
        {WITH_EXCEPTION("rule r; match config_name ~ \"^(c+)+1+2$\"; expires 2099-01-31;"),
         "{\"spec_id\":5}", "p.r=fail! p.s=fail!"},
    };

    (void)state;
    JUDGE(cases);
}

/* What a client and the log are told. */
static void messages(void **state)
{
    static const struct {
        const char *rule;
        const char *body;
        const char *told; /* "POINTER MESSAGE" of the first finding */
    } cases[] = {
        {"at spec_id; max 4;", "{\"spec_id\":8}", "/spec_id must be at most 4 (got 8)"},
        {"at spec_id; max 4; message \"ask us\";", "{\"spec_id\":8}", "/spec_id ask us (got 8)"},
        {"at log_url; required;", "{}", "/log_url is required"},
        {"at spec_id; max 4;", "{\"spec_id\":[1]}", "/spec_id must be at most 4 (got an array)"},
        {"at parameter[*].label; matches x;", "{\"parameter\":7}",
         "/parameter is of a type that the policy cannot judge (got 7)"},
        {"at config_desc; matches ^ML;", "{\"config_desc\":\"hello \\\"x\\\"\"}",
         "/config_desc must match \"^ML\" (got \"hello \"x\"\")"},
        {"at user_command; absent;", "{\"user_command\":\"rm -rf /\"}",
         "/user_command must not be given (got a value that is not shown)"},
        {"at parameter[*].value; max 1;", "{\"parameter\":[{\"label\":\"lr\",\"value\":\"2\"}]}",
         "/parameter/0/value must be at most 1 (got \"2\")"},
        {"at parameter[*].value; max 1;",
         "{\"parameter\":[{\"label\":\"db_password\",\"value\":\"2\"}]}",
         "/parameter/0/value must be at most 1 (got a value that is not shown)"},
        {"at parameter[*].value; not_matches x;",
         "{\"parameter\":[{\"label\":\"a\",\"value\":\"x\"}]}",
         "/parameter/0/value must not match \"x\" (got a value that is not shown)"},
        {"at parameter[*].value; in a;",
         "{\"parameter\":[{\"label\":\"a\",\"value\":\"HSTQ0ZAB1CDEFGH2IJKL\"}]}",
         "/parameter/0/value must be one of a (got a value that is not shown)"},
        {"at parameter[*].label; required;", "{\"parameter\":[{}]}",
         "/parameter/0/label is "
         "required"},
        {"at parameter[label=lr].value; required;", "{\"parameter\":[{}]}",
         "/parameter is required"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_buf text = {0};
        const struct tg_finding *f;
        struct bench b;

        tg_buf_printf(&text, "policy p { rule r { %s } }%c", cases[i].rule, '\0');
        bench_good(&b, text.p);
        bench_body(&b, cases[i].body);
        tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
        f = b.request.report.first;
        assert_non_null(f);
        assert_int_equal(f->severity, TG_VIOLATION);
        assert_int_equal(f->error, TG_E_POLICY);
        assert_string_equal(f->rule, "r");
        assert_true(f->message_zh.before.n > 0);
        text.n = 0;
        tg_buf_printf(&text, "%.*s ", TG_STR_ARG(f->pointer));
        tg_finding_text(&text, f, false);
        tg_buf_putc(&text, '\0');
        assert_string_equal(text.p, cases[i].told);
        bench_end(&b);
        tg_buf_end(&text);
    }
}

/* What stays out of the answer is on record all the same. */
static void report_of_all_modes(void **state)
{
    const struct tg_policy_result *p;
    struct bench b;

    (void)state;
    bench_good(&b,
               "policy p { rule deny { at spec_id; max 4; } rule warn { at spec_id; max 3; mode "
               "warn; } rule dry { at spec_id; max 2; mode dryrun; } rule good { at spec_id; "
               "max 9; } rule off { at spec_id; max 1; } }\n"
               "exception E { policy p; rule off; match project_id p1; owner o; ticket t; "
               "expires 2099-12-31; }");
    bench_body(&b, "{\"spec_id\":5}");
    tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
    assert_int_equal(b.request.report.violations, 1);
    assert_int_equal(b.request.report.warnings, 1);
    p = b.request.report.results;
    assert_true(tg_str_eq(p->rule, TG_STR("deny")) && p->result == TG_RULE_FAIL);
    p = p->next;
    assert_true(tg_str_eq(p->rule, TG_STR("warn")) && p->result == TG_RULE_WARN);
    p = p->next;
    assert_true(tg_str_eq(p->rule, TG_STR("dry")) && p->result == TG_RULE_FAIL);
    assert_true(tg_str_eq(p->mode, TG_STR("dryrun")));
    assert_true(
        tg_str_eq(tg_result_text(&b.request.report, p), TG_STR("must be at most 2 (got 5)")));
    p = p->next;
    assert_true(tg_str_eq(p->rule, TG_STR("off")) && p->result == TG_RULE_SKIP);
    assert_true(tg_str_eq(p->exception, TG_STR("E")));
    assert_null(p->next);
    bench_end(&b);
}

/* Each rule that was asked is counted at its place, those that just let pass too; where nothing
 * stands that a rule looks at, it was not asked. */
static void counts_of_results(void **state)
{
    static const enum tg_rule_result results[] = {TG_RULE_FAIL, TG_RULE_WARN, 0, TG_RULE_PASS,
                                                  TG_RULE_SKIP};
    const struct tg_rule_counts *counts;
    unsigned n = 0;
    struct bench b;

    (void)state;
    bench_good(
        &b,
        "policy a { match project_id other; rule r { at spec_id; max 1; } }\n"
        "policy p { rule deny { at spec_id; max 4; } rule warn { at spec_id; max 3; "
        "mode warn; } rule none { at worker_server_num; max 2; } rule good { at spec_id; max 9; } "
        "rule off { at spec_id; max 1; } }\n"
        "exception E { policy p; rule off; match project_id p1; owner o; ticket t; "
        "expires 2099-12-31; }");
    for (struct tg_policy *p = b.set->policies; p != NULL; p = p->next)
        for (struct tg_policy_rule *r = p->rules; r != NULL; r = r->next)
            r->place = (uint16_t)(TG_RULE_PLACES - 1 - r->number);
    bench_body(&b, "{\"spec_id\":5}");
    tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
    counts = b.request.report.counts;
    assert_non_null(counts);
    for (unsigned i = 0; i < 5; i++)
        if (results[i] != 0)
            assert_int_equal(counts->of[n++], (TG_RULE_PLACES - 2 - i) * 8 + results[i]);
    assert_int_equal(counts->n, n);
    assert_null(counts->next);
    bench_end(&b);
}

/* Many bad values: some are told one by one, the rest is not. */
static void many_values(void **state)
{
    struct tg_buf body = {0};
    struct bench b;

    (void)state;
    tg_buf_puts(&body, "{\"parameter\":[");
    for (int i = 0; i < 1000; i++)
        tg_buf_printf(&body, "%s{\"label\":\"b%d\"}", i > 0 ? "," : "", i);
    tg_buf_puts(&body, "]}");
    tg_buf_putc(&body, '\0');
    bench_good(&b, RULE("at parameter[*].label; matches ^a;"));
    bench_body(&b, body.p);
    tg_policy_eval(b.set, &b.request, tg_policy_report, &b.request);
    assert_int_equal(b.request.report.violations, TG_POLICY_MAX_SEEN);
    bench_end(&b);
    tg_buf_end(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(groups),
        cmocka_unit_test(modes),
        cmocka_unit_test(matches),
        cmocka_unit_test(unknown_subjects),
        cmocka_unit_test(known_and_unknown),
        cmocka_unit_test(exceptions_and_their_day),
        cmocka_unit_test(exceptions_and_their_matches),
        cmocka_unit_test(messages),
        cmocka_unit_test(report_of_all_modes),
        cmocka_unit_test(counts_of_results),
        cmocka_unit_test(many_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
