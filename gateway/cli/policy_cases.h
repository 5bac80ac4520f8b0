/* Tests of policies for the command line: cases in files beside the policies, run by the evaluator
 * of the traffic. conf/policies/README.md has the format. */
#ifndef TG_CLI_POLICY_CASES_H
#define TG_CLI_POLICY_CASES_H

#include "policy/policy.h"
#include "settings/settings.h"

/* One `expect`. */
struct tg_case_expect {
    const struct tg_conf_item *item;
    struct tg_str subject; /* "decision", or POLICY.RULE */
    struct tg_str wanted;
    struct tg_str got;
    struct tg_case_expect *next;
};

/* A live value of a case. */
struct tg_case_live {
    enum tg_live_name name;
    struct tg_str *texts; /* of a list all */
    unsigned n;
    struct tg_case_live *next;
};

/* A row of a table, as a case gives it. */
struct tg_case_row {
    const struct tg_conf_item *item; /* the table's name and the cells */
    struct tg_case_row *next;
};

/* One `case` with what became of it. */
struct tg_case {
    struct tg_str name;
    const struct tg_conf_item *item;
    struct tg_str body; /* JSON text, or a file beside the test file; empty: the request has none */
    struct tg_str method;
    struct tg_str route;
    struct tg_str old;         /* as body; "none": none stands there yet; empty: not known */
    struct tg_case_row *rows;  /* that stand in for those of tables, or NULL */
    struct tg_policy_set *set; /* with these, else NULL: the file's */
    struct tg_case_live *live; /* what other filters would have learned */
    struct tg_str project_id;
    struct tg_str config_name;
    struct tg_str principal;
    struct tg_str client;
    struct tg_field *fields;
    unsigned nfields;
    int64_t now; /* microseconds since 1970; 0: the clock's */
    struct tg_case_expect *expects;
    const char *error;    /* why it could not be run, or NULL */
    struct tg_str unread; /* the body that is about */
    struct tg_str why;    /* why the body was refused before policy saw it, or empty */
    unsigned failed;      /* expectations that were not met */
    uint64_t took_us;
    struct tg_case *next;
};

/* What cases did with one rule. */
struct tg_case_rule {
    const struct tg_policy *policy;
    const struct tg_policy_rule *rule;
    unsigned passed; /* cases */
    unsigned failed; /* times it did not */
};

/* One test file with the policies it tests. */
struct tg_case_file {
    const char *name;
    struct tg_arena arena;
    struct tg_conf conf;
    struct tg_policy_set *set;
    struct tg_str *globs;
    unsigned nglobs;
    struct tg_policy_table *tables; /* that stand in for those the policies name, or NULL */
    struct tg_case *cases;
    struct tg_case_rule *rules; /* set->nrules of them, by number */
    struct tg_case_file *next;
};

/*
 * Reads a test file and its policies; without a `policies` line those are the *.conf beside it.
 * What is wrong is in conf.problems, and the set is NULL then. Never NULL; end it with
 * tg_case_file_end().
 */
struct tg_case_file *tg_case_file_new(const char *name);
void tg_case_file_end(struct tg_case_file *f);

/* Runs all cases through `normalize` and the policies. `before` is a location with the filters
 * `json normalize`. The wall clock runs again afterwards. */
void tg_case_file_run(struct tg_case_file *f, const struct tg_location *before);

#endif
