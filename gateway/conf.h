/*
 * Configuration text to settings, in two steps.
 *
 * 1. tg_conf_parse() reads nginx's grammar (directives end in ';', blocks in braces, '#' comments,
 *    quotes, `include`) into a tree of items that know their file and line.
 * 2. tg_conf_apply() walks one block of the tree with the tables that apply there. One directive is
 *    one row: name, where it may stand, arguments, bounds, default, help, setter. The rows give the
 *    bounds checks, the messages and the reference page (conf/directives.md).
 *
 * Problems are collected, not thrown: a load reports all of them, each with file, line and what
 * would be right. The same two steps read policy files.
 */
#ifndef TG_CONF_H
#define TG_CONF_H

#include "arena.h"
#include "buf.h"

/* One directive as written. Lives in the arena of its tg_conf. */
struct tg_conf_item {
    const struct tg_str *args;           /* args[0] is the name; unquoted and unescaped */
    unsigned nargs;                      /* at least 1 */
    bool block;                          /* has braces */
    const char *file;                    /* as named on the command line or by include */
    unsigned line;                       /* of the name, from 1 */
    const struct tg_conf_item *children; /* first in the block, or NULL */
    const struct tg_conf_item *next;     /* sibling, or NULL */
};

enum tg_conf_problem_level { TG_CONF_WARN = 1, TG_CONF_EMERG };

struct tg_conf_problem {
    enum tg_conf_problem_level level;
    const char *text; /* with its "in FILE:LINE" */
    struct tg_conf_problem *next;
};

/* One load of a configuration. */
struct tg_conf {
    struct tg_arena *arena;           /* the configuration's lifetime; borrowed */
    const char *prefix;               /* what relative file names in directives start from (-p) */
    struct tg_conf_problem *problems; /* oldest first */
    struct tg_conf_problem **last_problem;
    unsigned errors;   /* problems of level emerg */
    unsigned warnings; /* problems of level warn */
    void *owner;       /* what custom setters need beside their target (struct tg_settings *) */
};

/* Starts a load. `prefix` must end in '/' and live as long as the arena. */
void tg_conf_init(struct tg_conf *c, struct tg_arena *arena, const char *prefix);

/* Records a problem at an item's place: text + " in FILE:LINE". Setters return false after it. */
void tg_conf_error(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tg_conf_warn(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Reads a file and what it includes (relative to c->prefix; globs allowed, sorted by name; depth at
 * most 16). Returns the first item, or NULL when the file is empty or problems were recorded
 * (c->errors tells). `tg_conf_parse_text` does the same for text in memory, named `name` in
 * messages.
 */
const struct tg_conf_item *tg_conf_parse(struct tg_conf *c, const char *file);
const struct tg_conf_item *tg_conf_parse_text(struct tg_conf *c, const char *name,
                                              struct tg_str text);

enum tg_conf_kind {
    TG_CONF_FLAG = 1, /* on | off -> bool */
    TG_CONF_NUMBER,   /* -> int64_t, min..max */
    TG_CONF_SIZE,     /* bytes, with k, m, g -> int64_t, min..max */
    TG_CONF_TIME,   /* 500ms, 3s, 2m, 1h, 1d; no unit: seconds -> int64_t microseconds, min..max */
    TG_CONF_ENUM,   /* one of `words` -> int (its index + 1) */
    TG_CONF_STRING, /* -> struct tg_str (in the arena, NUL-terminated) */
    TG_CONF_CUSTOM, /* `set` does it */
};

struct tg_directive;

/* A custom setter. `target` is the settings struct of the block. Returns false after it recorded a
 * problem. For a directive with a block, the setter applies the block's children itself. */
typedef bool tg_conf_setter(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                            const struct tg_directive *d);

/* Where a directive may stand; a row names one or more. */
enum tg_conf_context {
    TG_IN_MAIN = 1 << 0,
    TG_IN_ADMIN = 1 << 1,
    TG_IN_UPSTREAM = 1 << 2,
    TG_IN_SERVER = 1 << 3,
    TG_IN_LOCATION = 1 << 4,
    TG_IN_POLICY_FILE = 1 << 5,
    TG_IN_POLICY = 1 << 6,
    TG_IN_RULE = 1 << 7,
    TG_IN_EXCEPTION = 1 << 8,
};

struct tg_directive {
    const char *name;
    unsigned contexts; /* enum tg_conf_context, or-ed */
    enum tg_conf_kind kind;
    bool block;        /* takes a block instead of ';' */
    bool repeat;       /* may stand several times in one block (only TG_CONF_CUSTOM) */
    bool secret;       /* its arguments are masked in -T */
    unsigned min_args; /* without the name; 0 for both means exactly 1 */
    unsigned max_args;
    size_t offset; /* of the field in the target (kinds but CUSTOM) */
    int64_t min;   /* bounds for NUMBER, SIZE (bytes), TIME (microseconds) */
    int64_t max;
    const char *const *words; /* ENUM: NULL-terminated */
    const char *fallback;     /* the default as one would write it; NULL: none, the field is left */
    const char *syntax;       /* arguments as the reference shows them, e.g. "NUMBER | auto" */
    const char *help;         /* one or more sentences for the reference */
    tg_conf_setter *set;      /* CUSTOM */
};

/* A table with the struct its rows write into. `rows` ends with a row whose name is NULL. */
struct tg_conf_table {
    const struct tg_directive *rows;
    void *target;
};

/* Writes the defaults of all rows (in `contexts`) of a table into its target. */
void tg_conf_defaults(struct tg_conf *c, unsigned contexts, const struct tg_conf_table *table);

/*
 * Applies one block: each item from `first` on is looked up in the tables; unknown names are
 * errors with the nearest known name, or with where the directive may stand. Repeated ones
 * (without `repeat`), wrong argument counts and values out of bounds are errors. Returns false when
 * it recorded an error.
 */
bool tg_conf_apply(struct tg_conf *c, unsigned context, const struct tg_conf_item *first,
                   const struct tg_conf_table *tables, unsigned ntables);

/*
 * The known name nearest to `name`, or NULL when none is near enough to be a likely typo.
 * `names` ends with NULL.
 */
const char *tg_conf_nearest(struct tg_str name, const char *const *names);

/* Value readers shared with custom setters. On failure they record a problem that names the
 * directive, the range and what was there, and return false. */
bool tg_conf_number(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                    int64_t min, int64_t max, int64_t *out);
bool tg_conf_size(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out);
bool tg_conf_time(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out);

/* `name` as a path: relative names start at c->prefix. In the arena, NUL-terminated. */
struct tg_str tg_conf_path(struct tg_conf *c, struct tg_str name);

/* Prints the tree as configuration text (for -T), arguments of `secret` directives as "***". */
void tg_conf_dump(const struct tg_conf_item *first, const struct tg_directive *const *tables,
                  unsigned ntables, struct tg_buf *out);

/* Appends the reference of one table as Markdown. */
void tg_conf_reference(const char *title, const struct tg_directive *rows, struct tg_buf *out);

#endif
