/* What the policy_*.c share while policies are loaded. Nothing else includes it. */
#ifndef TG_POLICY_INTERNAL_H
#define TG_POLICY_INTERNAL_H

#include "policy/policy.h"

/* --- setters; the target is what the block they stand in makes --- */

tg_conf_setter tg_set_policy_match; /* into the list at the row's offset (block.c) */
tg_conf_setter tg_set_waived_rules; /* NAME..., into struct tg_policy_exception */
tg_conf_setter tg_set_expires;      /* DATE, into struct tg_policy_exception */
tg_conf_setter tg_set_policy_at;    /* PATH, into struct tg_policy_rule (rule.c) */
tg_conf_setter tg_set_policy_deny;
tg_conf_setter tg_set_policy_test; /* OPERAND..., into struct tg_policy_rule */

/* --- blocks: begun before the words in them are applied, finished behind these. Problems are
 * recorded; what was begun is in its list whatever is wrong with it --- */

/* Appends a policy to the set, with the modes it has unless its block says others. Never NULL. */
struct tg_policy *tg_policy_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                  struct tg_policy_set *set);

/* The block of the policy has ended, `good` when it has no problem so far. */
void tg_policy_finish(struct tg_conf *c, const struct tg_policy *p, bool good);

/* Appends an exception to the set. Never NULL. */
struct tg_policy_exception *tg_policy_exception_begin(struct tg_conf *c,
                                                      const struct tg_conf_item *item,
                                                      struct tg_policy_set *set);

/* The block of the exception has ended without a problem. */
void tg_policy_exception_finish(struct tg_conf *c, const struct tg_policy_exception *e);

/* Appends a rule with its own check to the policy. Never NULL. */
struct tg_policy_rule *tg_policy_rule_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                            struct tg_policy *policy);

/* The block of the rule has ended without a problem: every check needs a place and a test. */
void tg_policy_rule_finish(struct tg_conf *c, struct tg_policy_rule *rule);

/* Makes the tests of a rule ready that refer to cells of tables. */
void tg_policy_rule_settle(struct tg_conf *c, const struct tg_policy_rule *rule,
                           const struct tg_policy_match *matches);

/* Adds a check of several paths to a rule. False after it recorded a problem with them. */
bool tg_policy_any_of_begin(struct tg_conf *c, const struct tg_conf_item *item,
                            struct tg_policy_rule *rule);

/* Adds a condition to a rule: its path is read, its test goes into it. Finished once that is there.
 */
struct tg_policy_check *tg_policy_when_begin(struct tg_conf *c, const struct tg_conf_item *item,
                                             struct tg_policy_rule *rule);
void tg_policy_when_finish(struct tg_conf *c, const struct tg_policy_check *when);

/* Switches the rules that an exception names off for what it matches. */
void tg_policy_grant(struct tg_conf *c, const struct tg_policy_set *set,
                     const struct tg_policy_exception *e);

/* What the filter has of a location. */
struct tg_policy_conf {
    const struct tg_conf_item *item;    /* the `policies` line: its arguments; NULL: none */
    const struct tg_conf_item *signers; /* the same of `policies_signed_by` */
    struct tg_policy_shared *shared;    /* by on_load, which failed where it is NULL or empty */
};

/* A set, and the locations whose `policies` name the same files, signed by the same keys. */
struct tg_policy_shared {
    const struct tg_conf_item *item; /* the first of their lines */
    const struct tg_conf_item *signers;
    struct tg_policy_set *set; /* NULL when it could not be loaded */
    unsigned users;
    struct tg_policy_shared *next;
};

/* The set that a location's configuration of the filter holds, or NULL. */
static inline const struct tg_policy_set *tg_policy_set_of(const void *conf)
{
    const struct tg_policy_shared *s = ((const struct tg_policy_conf *)conf)->shared;

    return s != NULL ? s->set : NULL;
}

/* What tg_policy_load() does when the files must be signed by keys of a `policies_signed_by`
 * line; NULL: they need not. */
struct tg_policy_set *tg_policy_load_signed(struct tg_conf *c, const struct tg_conf_item *at,
                                            const struct tg_conf_item *signers);

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
                                           unsigned n, struct tg_policy_table *given);

/* "table NAME FILE", into the set; records problems and returns false. (block.c) */
bool tg_policy_set_table(struct tg_conf *c, const struct tg_conf_item *item,
                         struct tg_policy_set *set);

/* The number of a column by its name; t->ncolumns: there is none. (table.c) */
unsigned tg_policy_table_column(const struct tg_policy_table *t, struct tg_str name);

/* --- cells in operands: "{table.column}" (cells.c) --- */

/* A test that refers to cells as it is for the row of the request; NULL: that is not known, or a
 * cell is empty. */
const struct tg_policy_test *tg_policy_test_of_row(const struct tg_policy_test *t);

/* True when a text names a cell. */
bool tg_policy_has_cell(struct tg_str text);

/* Records that a list has no table of a name, and returns false. */
bool tg_policy_table_unknown(struct tg_conf *c, const struct tg_conf_item *item,
                             const struct tg_policy_table *list, struct tg_str name);

/* Finds the table that a match looks up, if it does. Records problems and returns false. (match.c)
 */
bool tg_policy_match_settle(struct tg_conf *c, struct tg_policy_match *m,
                            struct tg_policy_table *tables);

/* --- the config of the request beside the old one (compare.c) --- */

/* True when both are the same values: numbers by value, objects in any order of their members. Two
 * that are too large to be compared are not the same. */
bool tg_policy_same(const struct tg_policy_nodes *now, const struct tg_policy_nodes *old);

/* PASS when one number is larger than the old one in its place, or has none there; ERROR when it
 * is not known since one of them is no number; else FAIL. */
enum tg_rule_result tg_policy_increases(const struct tg_policy_nodes *now,
                                        const struct tg_policy_nodes *old);

/* struct tg_filter: revision, policies and exceptions of a location as members of an object; false
 * when it has no policies. Of all exceptions when each ends and whether it holds now: one that
 * several locations load is told once, by its earliest end. (status.c) */
bool tg_policy_status(const void *conf, struct tg_buf *out);
void tg_policy_metrics(const void *const *confs, unsigned nconfs, struct tg_buf *out);
void tg_policy_places(void *conf, const struct tg_rule_places *places);

#endif
