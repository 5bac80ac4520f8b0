/*
 * The normalizations of contract section 3 as a table: steps.c has it and the steps one by one,
 * normalize.c the filter with its directives.
 */
#ifndef TG_NORMALIZE_INTERNAL_H
#define TG_NORMALIZE_INTERNAL_H

#include "contract/contract.h"

/* A member to add where it is absent. */
struct tg_normal_default {
    const struct tg_contract_member *member;
    struct tg_str value; /* plain text with {project_id} and {config_name} */
};

/* One config being normalized. */
struct tg_normal {
    struct tg_request *request;
    struct tg_doc *doc;
    uint32_t config;                          /* an object */
    const uint32_t *member;                   /* its values, or TG_NONE: each step keeps them so */
    const char *why;                          /* the name of the step at work */
    const struct tg_normal_default *defaults; /* in the order written */
    unsigned ndefaults;
    size_t null_bytes; /* bytes of the pointers of nulls that were dropped */
};

struct tg_normal_step {
    const char *name;
    bool on; /* unless the configuration says otherwise */
    void (*run)(struct tg_normal *n);
};

enum { TG_NORMAL_STEPS = 9 };

/* In the order they run, so that none has to run twice. The row "normalize_default" has no switch.
 */
extern const struct tg_normal_step tg_normal_steps[TG_NORMAL_STEPS];

/* Fills the {names} of a default's text from the request; false when one has no value there. The
 * result is in the request's arena. */
bool tg_normal_expand(const struct tg_request *r, struct tg_str text, struct tg_str *out);

#endif
