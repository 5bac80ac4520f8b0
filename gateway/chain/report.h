/*
 * What the filters found out about one request: violations (refuse), warnings (tell the client),
 * and the results of policy rules. One report feeds the client's answer, the audit record, the
 * metrics and every output of the command line.
 */
#ifndef TG_CHAIN_REPORT_H
#define TG_CHAIN_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/errors.h"

enum tg_severity { TG_WARNING = 1, TG_VIOLATION };

enum { TG_MAX_UNKNOWN = 32 }; /* subjects of policies and live values, more than there are */

enum { TG_MAX_FINDINGS = 200 }; /* kept of each severity; more are counted */

/*
 * A sentence with at most one value of the body in it. The value stands apart from the text, with
 * its place in the document: who writes the sentence down decides by that place whether the value
 * may be told, and never has to look for it in a text.
 */
struct tg_message {
    struct tg_str before; /* the value; all of the sentence when there is none */
    struct tg_str after;
};

/* The value in the sentences of a finding or result, the same in every language. */
struct tg_message_value {
    struct tg_str text; /* as it is shown, quotes included; p == NULL: the sentences have none */
    uint32_t node;      /* whose value it is; a node of the request's document */
    bool secret;        /* tg_secret_value() of that node: shown to nobody */
};

struct tg_finding {
    enum tg_severity severity;
    const char *rule;          /* stable id, e.g. "type", "obs_path"; a policy rule's name */
    struct tg_str policy;      /* name of the policy, empty for the contract's rules */
    enum tg_error error;       /* gives status and API code */
    struct tg_str pointer;     /* RFC 6901 into the document; "" is the whole */
    uint32_t offset;           /* in the client's text; UINT32_MAX when there is no place */
    struct tg_message message; /* English, e.g. "must be a string" */
    struct tg_message message_zh;
    struct tg_message_value value;
    struct tg_finding *next;
};

enum tg_rule_result { TG_RULE_PASS = 1, TG_RULE_FAIL, TG_RULE_WARN, TG_RULE_SKIP, TG_RULE_ERROR };

/* What the gateway decided about a request, in one word. */
enum tg_decision {
    TG_DECISION_ALLOW = 1,
    TG_DECISION_WARN,
    TG_DECISION_DENY,    /* by the organisation's rules */
    TG_DECISION_INVALID, /* HTTP, JSON or the API's contract broken */
    TG_DECISION_ERROR,   /* trouble that is not the request's */
    TG_DECISIONS = TG_DECISION_ERROR
};

/* The words of results and decisions in records, metrics and output; a value is the index + 1. */
extern const char *const tg_rule_result_words[TG_RULE_ERROR + 1]; /* ends with NULL */
extern const char *const tg_decision_words[TG_DECISIONS + 1];

/* The word of a result: "pass", "fail", "warn", "skip", "error". */
static inline const char *tg_rule_result_word(enum tg_rule_result result)
{
    CHECK(result >= TG_RULE_PASS && result <= TG_RULE_ERROR);
    return tg_rule_result_words[result - 1];
}

/* The word of a decision: "allow", "warn", "deny", "invalid", "error". */
static inline const char *tg_decision_word(enum tg_decision decision)
{
    CHECK(decision >= TG_DECISION_ALLOW && decision <= TG_DECISIONS);
    return tg_decision_words[decision - 1];
}

/* One policy rule that did not simply pass or skip. */
struct tg_policy_result {
    struct tg_str policy;
    struct tg_str rule;
    enum tg_rule_result result;
    struct tg_str mode;        /* deny, warn, dryrun */
    struct tg_str exception;   /* the exception that switched it off, or empty */
    struct tg_str owner;       /* of the exception: who asked for it, */
    struct tg_str ticket;      /* where it was granted, */
    struct tg_str last_day;    /* and YYYY-MM-DD on which it holds for the last time */
    struct tg_str pointer;     /* RFC 6901, of the first value that did not hold */
    struct tg_message message; /* English, about that value; empty: nothing is to be said */
    struct tg_message_value value;
    struct tg_policy_result *next;
};

enum {
    TG_RULE_PLACES = 512, /* rules told apart by their counters; 0 is "one too many" */
    TG_RULE_RESULTS = TG_RULE_ERROR
};

/* What rules found out about a request, for their counters. */
struct tg_rule_counts {
    struct tg_rule_counts *next;
    unsigned n;
    uint16_t of[]; /* place * 8 + enum tg_rule_result; nothing of a rule that was not asked */
};

/* A policy that was asked about the request. */
struct tg_policy_judged {
    struct tg_str policy;
    struct tg_policy_judged *next;
};

/* Empty: zero but for `arena`, and for `unknown`, whatever it holds. */
struct tg_report {
    struct tg_arena *arena; /* borrowed; the texts live in it */
    struct tg_finding *first;
    struct tg_finding *last;
    unsigned violations; /* all, also those not kept */
    unsigned warnings;
    struct tg_str policy_revision; /* hex SHA-256, empty without a policy */
    unsigned nunknown;
    struct tg_policy_result *results;
    struct tg_policy_result *last_result;
    struct tg_policy_judged *judged;     /* newest first */
    struct tg_rule_counts *counts;       /* the same */
    const char *unknown[TG_MAX_UNKNOWN]; /* subjects that policies asked for in vain: `nunknown` */
};

/* Adds a finding (copied; its strings must live as long as the arena). */
void tg_report_add(struct tg_report *r, const struct tg_finding *f);

/* The violation whose error row the client is answered, or NULL when there is none: the first that
 * is not a policy's, else the first. */
const struct tg_finding *tg_report_violation(const struct tg_report *r);

/* Adds a subject that was not known (static text; kept once). */
void tg_report_unknown(struct tg_report *r, const char *subject);

/* Adds a policy rule's result (copied likewise). */
void tg_report_result(struct tg_report *r, const struct tg_policy_result *p);

/* Notes that a policy was asked (its name must live as long as the arena). */
void tg_report_judged(struct tg_report *r, struct tg_str policy);

/* Room for the results of `most` rules, none yet; who has it adds them. */
struct tg_rule_counts *tg_report_counts(struct tg_report *r, unsigned most);

/* Appends a finding's sentence for people: a secret value is replaced by words that say so. */
void tg_finding_text(struct tg_buf *out, const struct tg_finding *f, bool chinese);

/* The same as an English text in the arena of the report. */
struct tg_str tg_result_text(const struct tg_report *r, const struct tg_policy_result *p);

#endif
