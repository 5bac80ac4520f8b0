/*
 * What `trainguard eval` prints: one format is one row of a table. A format sees each evaluation
 * once, in order, and writes into a buffer; the command line writes that to standard output.
 */
#ifndef TG_CLI_EVAL_OUTPUT_H
#define TG_CLI_EVAL_OUTPUT_H

#include "base/buf.h"
#include "cli/evaluator.h"

/* One run over many bodies. */
struct tg_eval_run {
    struct tg_buf out;   /* to be written */
    struct tg_buf last;  /* what a format keeps back until the end */
    struct tg_buf rules; /* of policies, that findings named: JSON text (SARIF) */
    bool colour;
    bool fail_on_warn;
    unsigned count[TG_EVAL_ERROR + 1]; /* bodies, by enum tg_eval_result */
    uint64_t took_us;                  /* the evaluation of the last body */
    uint64_t total_us;                 /* of all */
    unsigned bodies;
    unsigned violations;
    unsigned warnings;
    unsigned changes;
};

struct tg_eval_format {
    const char *name;
    void (*begin)(struct tg_eval_run *run); /* may be NULL, as `end` */
    void (*each)(struct tg_eval_run *run, const struct tg_evaluation *v);
    void (*end)(struct tg_eval_run *run);
};

/* Text for people, as a compiler prints it (eval_text.c). */
extern const struct tg_eval_format tg_eval_text;

/* Formats for machines (eval_formats.c). */
extern const struct tg_eval_format tg_eval_json;
extern const struct tg_eval_format tg_eval_github;
extern const struct tg_eval_format tg_eval_sarif; /* SARIF 2.1.0 */
extern const struct tg_eval_format tg_eval_junit;

/* Appends all findings, each with its source line, a caret and a hint, as tg_eval_text does. */
void tg_eval_text_findings(struct tg_buf *out, bool colour, const struct tg_evaluation *v);

/* Appends `file: error: why` for a body that could not be evaluated. */
void tg_eval_text_error(struct tg_buf *out, bool colour, const char *file, struct tg_str why);

/* The API's code of a finding or of a refusal without findings. */
const char *tg_eval_code(enum tg_error error);

/* Appends a finding as one sentence: pointer and message. */
void tg_eval_sentence(struct tg_buf *out, const struct tg_finding *f);

#endif
