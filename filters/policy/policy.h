/*
 * Organisation policy: what conf/policies/README.md describes, from text to verdict. Policies are
 * read once (tg_policy_load), then judge requests without changing anything but the report
 * (tg_policy_eval). Traffic, `eval`, `test` and `replay` share both.
 *
 *   policy.c   the filter
 *   status.c   what it tells of what it loaded
 *   load.c     files to a set
 *   files.c    which files those are
 *   manifest.c the list of a signed set
 *   bundle.c   whether files are those that were signed
 *   rows.c     the words of the language
 *   block.c    the blocks `policy` and `exception`
 *   rule.c     the blocks `rule` and `any_of`
 *   set.c      what a set holds
 *   path.c     where a rule looks: paths to values
 *   test.c     the words that judge one value
 *   match.c    which requests a policy or an exception is about
 *   table.c    what policies look up, from files that csv.c reads
 *   cells.c    cells of them in tests
 *   compare.c  what of a config has changed
 *   eval.c     all rules over one request
 *   message.c  what a client and the audit log are told
 */
#ifndef TG_POLICY_H
#define TG_POLICY_H

#include "base/address.h"
#include "chain/filter.h"
#include "chain/live.h"
#include "policy/bundle.h"
#include "policy/decimal.h"
#include "policy/pattern.h"

enum tg_policy_mode { TG_POLICY_DENY = 1, TG_POLICY_WARN, TG_POLICY_DRYRUN };

/* What a rule that could not be judged does to a request. */
enum tg_policy_on_error { TG_POLICY_ERROR_ALLOW = 1, TG_POLICY_ERROR_DENY };

/* What a test does whose cell is empty. */
enum tg_policy_on_missing { TG_POLICY_MISSING_DENY = 1, TG_POLICY_MISSING_SKIP };

/* The words of the modes, NULL-terminated, and the word of one. */
extern const char *const tg_policy_modes[];
const char *tg_policy_mode_word(int mode);

/* --- where: paths (path.c) --- */

/* What a path leads into. */
enum tg_policy_source {
    TG_SOURCE_CONFIG = 0, /* the config of the request */
    TG_SOURCE_OLD,        /* "old", "old.PATH": the config that stands there already */
    TG_SOURCE_LIVE        /* "spec.gpu_num" and such (chain/live.h) */
};

enum { TG_POLICY_MAX_STEPS = 8 };

enum tg_policy_select {
    TG_SELECT_NONE = 1, /* NAME */
    TG_SELECT_ALL,      /* NAME[*] */
    TG_SELECT_WHERE     /* NAME[MEMBER=VALUE] */
};

struct tg_contract_member;

/* A member as a path names it, with its row of the contract's tables, where it has one. */
struct tg_policy_name {
    struct tg_str text;
    const struct tg_contract_member *row;     /* NULL: not in them, or not looked up */
    const struct tg_contract_member *members; /* the table that `row` stands in */
    unsigned number;                          /* of the row in the table */
};

struct tg_policy_step {
    struct tg_policy_name name;
    enum tg_policy_select select;
    struct tg_policy_name where_name;
    struct tg_str where_value;
};

enum tg_policy_types {
    TG_TYPE_TEXT = 1 << 0,
    TG_TYPE_NUMBER = 1 << 1,
    TG_TYPE_BOOLEAN = 1 << 2,
    TG_TYPE_CONTAINER = 1 << 3,
    TG_TYPE_ANY = 15
};

struct tg_policy_path {
    enum tg_policy_source source;
    enum tg_live_name live; /* SOURCE_LIVE: which */
    unsigned slot;          /* SOURCE_CONFIG: of the first name, in the set's slots */
    unsigned nsteps;        /* 0: SOURCE_LIVE, or all of the old config */
    const struct tg_policy_step *steps;
    const struct tg_contract_member *leaf; /* the member it ends with; NULL: an element, or not in
                                              the contract's table */
    unsigned types;     /* enum tg_policy_types, or-ed: what the contract says stands there */
    bool unknown;       /* its names are not looked up in the contract's table */
    bool direct;        /* it leads to a member of the config itself and no further */
    bool empty;         /* where it leads, "" counts as absent */
    bool obs;           /* it leads to an OBS path */
    bool response;      /* only answers have it; a request's is dropped before policy sees it */
    const char *is;     /* `types` in words */
    struct tg_str text; /* as written */
};

/*
 * Reads a path. Unless `unknown`, each of its names must be a member of the contract's table.
 * Records a problem at `item` and returns false.
 */
bool tg_policy_path_read(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                         bool unknown, struct tg_policy_path *out);

/* What a path leads to in one document. */
enum tg_policy_found {
    TG_FOUND_VALUE = 1, /* a value */
    TG_FOUND_MISSING,   /* nothing where `required` wants something */
    TG_FOUND_OTHER,     /* something of another type stands in the way: never passes */
    TG_FOUND_UNKNOWN,   /* nobody could tell what is there: cannot be judged */
    TG_FOUND_REQUEST,   /* the request itself, of the test `deny` */
    TG_FOUND_ALIKE      /* a lenient reader may take another name for the path's: never passes */
};

struct tg_policy_value {
    enum tg_policy_found found;
    uint32_t node;      /* the value, or what stands in the way; for MISSING the nearest parent */
    struct tg_str name; /* MISSING: what the parent lacks, may be empty; ALIKE: the right name */
    const struct tg_policy_path *path; /* NULL: it leads into the config of the request */
    struct tg_str text;                /* SOURCE_LIVE: a value as it is shown */
};

/* Takes a value. */
typedef void tg_policy_value_hook(void *context, const struct tg_policy_value *value);

/* Calls the hook for each value the path leads to from `first`, the member of its first name
 * (TG_NONE: it is not there), and for what is missing. `config` is the config object. Not for live
 * values. */
void tg_policy_path_walk(const struct tg_policy_path *path, const struct tg_doc *doc,
                         uint32_t config, uint32_t first, tg_policy_value_hook *hook,
                         void *context);

/* Nodes of a document. */
struct tg_policy_nodes {
    const struct tg_doc *doc;
    uint32_t *at;
    unsigned n;
    unsigned cap;
};

/* What a path leads to in the object `config`, and what stands in its way; in `arena`. */
void tg_policy_path_nodes(const struct tg_policy_path *path, const struct tg_doc *doc,
                          uint32_t config, struct tg_arena *arena, struct tg_policy_nodes *out);

/* --- tables (table.c) --- */

/* A row; the first cell is its key. */
struct tg_policy_row {
    struct tg_str *cells; /* as many as the table has columns */
    unsigned line;        /* in its file */
    unsigned index;       /* in the table */
};

struct tg_policy_table {
    struct tg_str name;
    const struct tg_conf_item *item;
    const char *file;
    struct tg_str text; /* of the file */
    struct tg_str *columns;
    unsigned ncolumns;
    struct tg_policy_row *rows; /* in the order of their keys */
    unsigned nrows;
    unsigned cap;
    struct tg_policy_table *next;
};

/* Reads "table NAME FILE", FILE relative to the folder of the file that says so. Records problems;
 * NULL then. */
struct tg_policy_table *tg_policy_table_read(struct tg_conf *c, const struct tg_conf_item *item);

/* Adds a row (cells copied) to a table whose columns are set, and puts them in order behind the
 * last. Record problems and return false. */
bool tg_policy_table_add(struct tg_conf *c, struct tg_policy_table *t, const struct tg_str *cells,
                         unsigned ncells, unsigned line);
bool tg_policy_table_finish(struct tg_conf *c, struct tg_policy_table *t);

/* The row of a key, or NULL. */
const struct tg_policy_row *tg_policy_table_find(const struct tg_policy_table *t,
                                                 struct tg_str key);

/* The table of a list that has a name, or NULL. */
struct tg_policy_table *tg_policy_table_named(struct tg_policy_table *list, struct tg_str name);

/* --- what: tests (test.c) --- */

struct tg_policy_operand {
    struct tg_str text;
    struct tg_decimal number;
    bool is_number;
};

/* A value as tests see it. */
struct tg_policy_seen {
    enum tg_node_type type;
    struct tg_str text; /* of a string unescaped, else JSON text */
    bool obs;           /* an OBS path */
    bool well_formed;   /* and known to be a well formed one */
    uint64_t *steps;    /* steps that patterns may still take for this request (pattern.h) */
};

struct tg_policy_match;
struct tg_policy_test;

/* PASS, FAIL or ERROR for one value. */
typedef enum tg_rule_result tg_policy_judge(const struct tg_policy_test *t,
                                            const struct tg_policy_seen *s);

/* One test word with its operands. */
struct tg_policy_test {
    tg_policy_judge *run; /* NULL: `required` and `absent`, which are about being there */
    struct tg_policy_test *next;
    struct tg_policy_operand *operands;
    struct tg_pattern **pattern; /* one for each operand of matches, not_matches */
    unsigned noperands;
    int64_t length; /* min_length, max_length */

    /* A test whose operands name cells: what it is for each row of the table, NULL where a cell is
     * empty; `row` is where the policy's match leaves the row of the request. */
    bool refers;
    struct tg_policy_test **by_row;
    const struct tg_policy_row *const *row;
    const struct tg_policy_word *word;
    const struct tg_conf_item *item;
};

/* Reads a test word (CHECKed: it is one) with its operands and puts it at the end of the list.
 * Records problems; NULL then. */
struct tg_policy_test *tg_policy_test_read(struct tg_conf *c, const struct tg_conf_item *item,
                                           struct tg_policy_test **list);

/* Makes a test that refers to cells ready: one test for each row of the table that the matches of
 * its policy look up, each fitting all paths. Records problems. */
void tg_policy_test_settle(struct tg_conf *c, struct tg_policy_test *t,
                           const struct tg_policy_match *matches,
                           const struct tg_policy_path *paths, unsigned npaths);

/* True when the row of the request is known and a cell of it that the test refers to is empty. */
bool tg_policy_test_is_missing(const struct tg_policy_test *t);

/* Frees the patterns of a list of tests. */
void tg_policy_tests_end(struct tg_policy_test *tests);

/* True when the test compares the config of the request with the old one: then its `run` is NULL.
 */
bool tg_policy_test_compares(const struct tg_policy_test *t);

/*
 * PASS, FAIL or ERROR of a test that compares: by what a path leads to in the config of the request
 * and in the old one, nodes of their documents in order; not both are empty.
 */
enum tg_rule_result tg_policy_test_compare(const struct tg_policy_test *t,
                                           const struct tg_policy_nodes *now,
                                           const struct tg_policy_nodes *old);

/* True when it is the test of that word. */
bool tg_policy_test_is(const struct tg_policy_test *t, const char *word);

/* True when nothing is both (min and max, or min_length and max_length). */
bool tg_policy_range_is_empty(const struct tg_policy_test *least,
                              const struct tg_policy_test *most);

/* False after it recorded that a test cannot apply to what a path leads to. Sets *can_fail unless
 * the test holds for everything that may stand there. */
bool tg_policy_test_fits(struct tg_conf *c, const struct tg_policy_test *t,
                         const struct tg_policy_path *path, bool *can_fail);

/* Appends what the test wants: "must be at most 4", "不得大于 4". */
void tg_policy_test_words(const struct tg_policy_test *t, bool chinese, struct tg_buf *out);

/* --- which requests: matches (match.c) --- */

enum tg_policy_subject {
    TG_MATCH_METHOD = 1,
    TG_MATCH_ROUTE,
    TG_MATCH_PROJECT,
    TG_MATCH_CONFIG,
    TG_MATCH_PRINCIPAL,
    TG_MATCH_USER,
    TG_MATCH_DOMAIN,
    TG_MATCH_ROLE,
    TG_MATCH_CLIENT,
    TG_MATCH_HEADER,
};

/* One `match` or `unless`. All of a list must hold; of one match's values any, of an `unless` none.
 */
struct tg_policy_match {
    enum tg_policy_subject subject;
    bool unless;
    struct tg_str header;
    struct tg_str *values;
    unsigned nvalues;
    struct tg_network *networks; /* nvalues of them, for CLIENT */
    struct tg_pattern *pattern;  /* instead of values */
    struct tg_str in;            /* instead of values, the table whose keys they are: its name, */
    const struct tg_policy_table *table;
    const struct tg_policy_row **row; /* and scratch: the row of the request at hand, or NULL */
    const struct tg_conf_item *item;
    struct tg_policy_match *next; /* cheapest first */
};

/* What a list of matches says of a request. */
enum tg_policy_met {
    TG_POLICY_NOT_MET = 1, /* one of them does not hold, whatever the others are */
    TG_POLICY_MET,         /* all of them hold */
    TG_POLICY_NOT_KNOWN    /* neither: what one asks for is absent, or a pattern hit its limit */
};

/* Reads a `match` or `unless` into a list. Records problems and returns false. */
bool tg_policy_match_read(struct tg_conf *c, const struct tg_conf_item *item,
                          struct tg_policy_match **list);

/* True when one of a list is about a subject. */
bool tg_policy_match_asks(const struct tg_policy_match *list, enum tg_policy_subject subject);

/* The live values a match reads, one bit each. */
uint32_t tg_policy_match_live(const struct tg_policy_match *m);

/* Records an error when no request can meet all of a list. */
void tg_policy_match_check(struct tg_conf *c, const struct tg_policy_match *list);

/* Frees the patterns of a list. */
void tg_policy_match_end(struct tg_policy_match *list);

/*
 * MET when every match of the list holds and no `unless` does (an empty list is always met). What
 * is not known counts so that rules stay on: a policy applies unless its list is NOT_MET, an
 * exception only where its list is MET. Subjects that were absent are added to the report.
 */
enum tg_policy_met tg_policy_match_request(const struct tg_policy_match *list,
                                           struct tg_request *r);

/* --- the set --- */

/* Tests over one or several paths: a rule's own, or those of an any_of group. */
struct tg_policy_check {
    const struct tg_conf_item *item;
    struct tg_policy_path *paths;
    unsigned npaths;
    const struct tg_policy_test *required; /* or NULL */
    const struct tg_policy_test *absent;
    struct tg_policy_test *tests; /* all, in the order written */
    struct tg_policy_check *next;
};

struct tg_policy_exception;

/* One exception a rule is named in. */
struct tg_policy_waiver {
    const struct tg_policy_exception *exception;
    struct tg_policy_waiver *next;
};

struct tg_policy_rule {
    struct tg_str name;
    const struct tg_conf_item *item;
    int mode; /* enum tg_policy_mode; the policy's when the rule has none of its own */
    struct tg_str message;
    struct tg_str message_zh;
    struct tg_policy_check *checks;
    struct tg_policy_test *deny;   /* then there are no checks; or NULL */
    struct tg_policy_check *whens; /* one path and one test each: all must hold */
    bool needs_document;           /* it looks into the config of the request, */
    bool plain;                    /* and at nothing else, without conditions */
    struct tg_policy_waiver *waivers;
    unsigned number; /* among all rules of the set, from 0 */
    uint16_t place;  /* among the counters of all processes, below TG_RULE_PLACES */
    struct tg_policy_rule *next;
};

struct tg_policy {
    struct tg_str name;
    struct tg_str description;
    const struct tg_conf_item *item;
    int mode;       /* enum tg_policy_mode */
    int on_error;   /* enum tg_policy_on_error */
    int on_missing; /* enum tg_policy_on_missing */
    bool plain;     /* all of its rules are */
    struct tg_policy_match *matches;
    struct tg_policy_rule *rules;
    struct tg_policy *next;
};

struct tg_policy_exception {
    struct tg_str name;
    const struct tg_conf_item *item;
    struct tg_str policy;
    const struct tg_conf_item *rules; /* the `rule` line: its arguments */
    struct tg_policy_match *matches;
    struct tg_str owner;
    struct tg_str ticket;
    struct tg_str expires; /* YYYY-MM-DD: the last day, in UTC, on which it holds */
    int64_t expires_at;    /* the first microsecond since 1970 at which it does not */
    struct tg_policy_exception *next;
};

struct tg_policy_set {
    struct tg_policy *policies;             /* in the order of the files, sorted by name */
    struct tg_policy_exception *exceptions; /* the same */
    struct tg_policy_table *tables;         /* in the order read */
    struct tg_policy_table *given;          /* that stand in for files of their names, or NULL */
    unsigned nrules;
    uint32_t live;              /* live values that policies read, one bit each */
    bool old;                   /* they read the config that stands there already */
    const char *needs_document; /* which rule looks into the body, in words; NULL: none does */
    const struct tg_policy_bundle *bundle; /* what was signed of it; NULL: nothing */
    struct tg_str revision; /* hex SHA-256 of the texts of all files in their order */

    /* The values that paths begin at, so that a request's members are looked at once: a slot for
     * each row of the contract's table, then one for each first name that is not in it. */
    uint32_t *slots; /* scratch: the value in the request at hand, or TG_NONE */
    unsigned nslots;
    unsigned nnames;
    struct tg_str *names;
    uint32_t *hash;     /* name numbers plus 1, 0 for none; open addressing */
    uint32_t hash_mask; /* its size less 1 */
};

/* What was signed of the set that a location's configuration of the filter holds, or NULL. */
const struct tg_policy_bundle *tg_policy_bundle_of(const void *conf);

/* The rows of the policy language; they also stand in the table of the filter. */
extern const struct tg_directive tg_policy_directives[];

/*
 * Reads the files that `globs` (relative ones start at c->prefix) name, except those whose name
 * ends in ".test.conf". All problems of all files are recorded; `at` is where the globs stand, may
 * be NULL. Returns NULL after an error. Memory comes from c->arena; end patterns with
 * tg_policy_end() before the arena goes.
 */
struct tg_policy_set *tg_policy_load(struct tg_conf *c, const struct tg_conf_item *at,
                                     const struct tg_str *globs, unsigned nglobs);

/* The same with tables (a list) that stand in for the files of tables with their names. */
struct tg_policy_set *tg_policy_load_given(struct tg_conf *c, const struct tg_conf_item *at,
                                           const struct tg_str *globs, unsigned nglobs,
                                           struct tg_policy_table *given);

/* Frees what does not live in the arena. NULL is fine. */
void tg_policy_end(struct tg_policy_set *set);

/* The filter. */
extern const struct tg_filter tg_filter_policy;

/* True when a location's configuration of the filter (as struct tg_filter has it) has a policy that
 * matches by a live value or looks at it; the same for the config that stands there already. */
bool tg_policy_reads(const void *conf, enum tg_live_name name);
bool tg_policy_reads_old(const void *conf);

/* True until the end of its last day. */
bool tg_policy_exception_holds(const struct tg_policy_exception *e);

/* A hash of a name, for the set's table of names: it has only what the policies name, nobody
 * outside can fill it with names that meet. */
static inline uint32_t tg_policy_hash(struct tg_str name)
{
    uint64_t hash = name.n, word;

    for (; name.n > 8; name = tg_str_skip(name, 8)) {
        memcpy(&word, name.p, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, name.p, name.n);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return (uint32_t)(hash >> 32);
}

/* The policy or rule of that name, or NULL. */
const struct tg_policy *tg_policy_find(const struct tg_policy_set *set, struct tg_str name);
const struct tg_policy_rule *tg_policy_rule_find(const struct tg_policy *policy,
                                                 struct tg_str name);

/* --- judging (eval.c) --- */

enum { TG_POLICY_MAX_SEEN = 10 }; /* failing values of one rule that are told one by one */

/* What one rule says about a request. */
struct tg_policy_outcome {
    const struct tg_policy *policy;
    const struct tg_policy_rule *rule;
    enum tg_rule_result result;                  /* WARN instead of FAIL for mode warn */
    const struct tg_policy_exception *exception; /* that made it SKIP, or NULL */
    bool denies;                                 /* the request is to be refused for it */
    bool warns;                                  /* the client is to be told */
    struct tg_policy_fault {
        const struct tg_policy_test *test; /* NULL: another type stood in the way */
        struct tg_policy_value value;
    } faults[TG_POLICY_MAX_SEEN]; /* of a rule that did not hold, the exception aside */
    unsigned nfaults;
};

/* Takes the outcome of each rule of each policy that the request is matched by; valid until the
 * hook returns. */
typedef void tg_policy_hook(void *context, const struct tg_policy_outcome *outcome);

/*
 * Judges a request and its document, if it has one (without one, rules that look into it say SKIP),
 * all rules of all policies in order. The clock is
 * tg_clock_wall_now(). Uses scratch memory of the set: one thread at a time.
 */
void tg_policy_eval(const struct tg_policy_set *set, struct tg_request *r, tg_policy_hook *hook,
                    void *context);

/* Tells whoever traces a request what a rule says about it. (message.c) */
void tg_policy_trace(struct tg_request *r, const struct tg_policy_outcome *o);

/* A tg_policy_hook with a struct tg_request as context: adds findings and results to its report.
 * (message.c) */
void tg_policy_report(void *context, const struct tg_policy_outcome *outcome);

#endif
