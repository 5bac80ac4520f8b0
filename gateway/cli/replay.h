/*
 * What `trainguard replay` finds out, and how it is printed: one format is one row of a table. A
 * format sees each request that would fare otherwise once, in the order of the log, and at the end
 * the sums.
 */
#ifndef TG_CLI_REPLAY_H
#define TG_CLI_REPLAY_H

#include "cli/audit.h"
#include "policy/policy.h"

/* A rule that would refuse a request. */
struct tg_replay_refusal {
    const struct tg_policy *policy;
    const struct tg_policy_rule *rule;
    struct tg_str pointer; /* in the body */
    struct tg_str message;
    struct tg_replay_refusal *next;
};

/* A request that would fare otherwise. */
struct tg_replay_change {
    bool denied; /* else it would pass */
    struct tg_str time;
    struct tg_str request_id;
    struct tg_str project_id;
    struct tg_str config_name;
    const struct tg_replay_refusal *refusals;
};

/* What became of a record. */
enum tg_replay_count {
    TG_REPLAY_RECORDS = 0, /* outcomes that passed the filter */
    TG_REPLAY_NEWLY_DENIED,
    TG_REPLAY_NEWLY_PASSES,
    TG_REPLAY_DENIED, /* as before */
    TG_REPLAY_PASSES,
    TG_REPLAY_INVALID,  /* never reached policy */
    TG_REPLAY_BODILESS, /* has no full body */
    TG_REPLAY_UNKNOWN,  /* is judged, but lacks a subject that policies ask for */
    TG_REPLAY_REDACTED, /* is judged, but has values that are not told */
    TG_REPLAY_UNREAD,   /* is no record */
    TG_REPLAY_COUNTS
};

/* What a rule of the candidate would do. */
struct tg_replay_rule {
    const struct tg_policy *policy;
    const struct tg_policy_rule *rule;
    uint64_t refused;
    uint64_t newly;       /* of them, requests that were not denied before */
    struct tg_buf judged; /* these, as a format keeps them */
};

/* One run over many records. */
struct tg_replay_run {
    struct tg_buf out; /* to be written */
    bool quiet;        /* sums alone */
    uint64_t began;    /* tg_clock_mono_now() */
    uint64_t count[TG_REPLAY_COUNTS];
    struct tg_replay_rule *rules; /* by their numbers; at the end the most refused first */
    unsigned nrules;              /* at the end only as many as are wanted */
};

struct tg_replay_format {
    const char *name;
    void (*begin)(struct tg_replay_run *run); /* may be NULL */
    void (*change)(struct tg_replay_run *run, const struct tg_replay_change *change);
    void (*end)(struct tg_replay_run *run);
};

/* text, json, junit; ended by a row without a name. */
extern const struct tg_replay_format tg_replay_formats[];

#endif
