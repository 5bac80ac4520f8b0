/*
 * The evaluator: one body through the filters of its location, without any socket. The command
 * line, the tests and CI jobs use it; it walks the chain that traffic walks, so it comes to the
 * same answer.
 */
#ifndef TG_CLI_EVALUATOR_H
#define TG_CLI_EVALUATOR_H

#include "settings/settings.h"

enum { TG_EVAL_MAX_BODY = 12 << 20 }; /* bytes, the API's own limit (contract section 1) */

/* What is judged with, as the options of the command line give it. NULL: not given. */
struct tg_eval_options {
    const char *conf;      /* -c: configuration file */
    const char *policy;    /* --policy: policy files instead of the configured ones */
    const char *project;   /* --project */
    const char *name;      /* --name */
    const char *level;     /* --level: lax, documented, strict */
    const char *location;  /* --location: METHOD, a blank, a path that may have {name}s */
    const char *catalogue; /* --catalogue: file of `trainguard catalogue fetch` */
    const char *old;       /* --old: file with the stored config, "null" where there is none */
    const char *user;      /* --user: file with what the identity service says of the token */
    bool is_signed;        /* --signed: as a client that signs with AK and SK would send it */
    const struct tg_trace *trace; /* --trace: who is told how each body is judged */
};

enum tg_eval_result {
    TG_EVAL_PASS = 1,
    TG_EVAL_WARN, /* passes, the client is warned */
    TG_EVAL_DENY,
    TG_EVAL_ERROR /* could not be evaluated: `why` says why not */
};

/* What became of one body. Lives until the next evaluation or the evaluator's end. */
struct tg_evaluation {
    const char *file; /* as given to tg_eval_body() */
    struct tg_str body;
    enum tg_eval_result result;
    struct tg_str why;               /* for ERROR, one line; empty when the report says it */
    struct tg_request request;       /* with report and document */
    int status;                      /* of the refusal, else 0 */
    struct tg_str answer;            /* the body of the refusal (contract section 5), else empty */
    struct tg_str forwarded;         /* what would go upstream; empty for DENY and ERROR */
    const struct tg_change *changes; /* oldest first, or NULL */
    const struct tg_place *places;   /* of the findings, then of the changes; line 0: none */
    const struct tg_place *regions;  /* the same, but what is missing has the place of the object it
                                        is missing from */
};

struct tg_evaluator;

/*
 * Makes an evaluator: with a configuration file, each body is judged by the location that matches
 * its PUT; without one, by `json normalize validate` (and `policy`) with their defaults. With
 * `only_changes` the filters that judge are left out. Problems are appended to `problems` as
 * tg_settings_read() does; returns NULL after an error. The options are borrowed.
 */
struct tg_evaluator *tg_evaluator_new(const struct tg_eval_options *options, bool only_changes,
                                      struct tg_buf *problems);

/* Frees it. NULL is fine. */
void tg_evaluator_end(struct tg_evaluator *e);

/*
 * Evaluates one body as that of the location among the options, or the PUT of a config. `file`
 * names it in the result. Without a name among the options the config is called as the body's own
 * `config_name` says, else as the file without its folder and ".json" where that is a legal name,
 * else "config". Body and file are borrowed and must live as long as the result.
 */
const struct tg_evaluation *tg_eval_body(struct tg_evaluator *e, const char *file,
                                         struct tg_str body);

/* The result for a file that could not even be read: ERROR with this reason (copied). */
const struct tg_evaluation *tg_eval_unread(struct tg_evaluator *e, const char *file,
                                           const char *why);

/* The word of a result: "pass", "warn", "denied", "error". */
const char *tg_eval_word(enum tg_eval_result result);

/* True when `text` can stand for {project_id} or {config_name}: [A-Za-z0-9_-]{1,64}. */
bool tg_eval_is_name(struct tg_str text);

#endif
