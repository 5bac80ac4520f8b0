/* What the policy_*.c share while policies are loaded. Nothing else includes it. */
#ifndef TG_POLICY_INTERNAL_H
#define TG_POLICY_INTERNAL_H

#include "policy/policy.h"

/* --- setters; the target is what the block they stand in makes --- */

tg_conf_setter tg_set_policies;      /* GLOB..., into struct tg_policy_conf (policy.c) */
tg_conf_setter tg_set_policy;        /* the block, into struct tg_policy_set (load.c) */
tg_conf_setter tg_set_exception;     /* the block, into struct tg_policy_set */
tg_conf_setter tg_set_policy_match;  /* into the list at the row's offset */
tg_conf_setter tg_set_waived_rules;  /* NAME..., into struct tg_policy_exception */
tg_conf_setter tg_set_expires;       /* DATE, into struct tg_policy_exception */
tg_conf_setter tg_set_policy_rule;   /* the block, into struct tg_policy (rule.c) */
tg_conf_setter tg_set_policy_at;     /* PATH, into struct tg_policy_rule */
tg_conf_setter tg_set_policy_any_of; /* PATH... and the block, into struct tg_policy_rule */
tg_conf_setter tg_set_policy_test;   /* OPERAND..., into struct tg_policy_rule */

/* What the filter has of a location. */
struct tg_policy_conf {
    const struct tg_conf_item *item; /* the `policies` line: its arguments; NULL: none */
    struct tg_policy_shared *shared; /* by on_load, which failed where it is NULL or empty */
};

/* False after it recorded that the name of a block (its argument) is none. */
bool tg_policy_name(struct tg_conf *c, const struct tg_conf_item *item);

/* --- files (files.c) --- */

/* A file that was read. */
struct tg_policy_file {
    const char *name;
    struct tg_str text;
};

/*
 * Finds and reads the files of the globs, sorted by name, each once, without "*.test.conf". Records
 * problems and returns false, also when a glob matches nothing: a policy that is not there would
 * look enforced.
 */
bool tg_policy_files(struct tg_conf *c, const struct tg_conf_item *at, const struct tg_str *globs,
                     unsigned nglobs, struct tg_policy_file **files, unsigned *nfiles);

/* What tg_policy_load() does with the files it found (load.c). */
struct tg_policy_set *tg_policy_load_files(struct tg_conf *c, const struct tg_policy_file *files,
                                           unsigned n);

/* struct tg_filter: revision, policies and exceptions of a location as members of an object; false
 * when it has no policies. Of all exceptions when each ends and whether it holds now: one that
 * several locations load is told once, by its earliest end. (status.c) */
bool tg_policy_status(const void *conf, struct tg_buf *out);
void tg_policy_metrics(const void *const *confs, unsigned nconfs, struct tg_buf *out);

#endif
