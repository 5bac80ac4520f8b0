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
#ifndef TG_CONFIG_CONF_H
#define TG_CONFIG_CONF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"

#include <limits.h>

/* One directive as written. Lives in the arena of its tg_conf. */
struct tg_conf_item {
    const struct tg_str *args;           /* args[0] is the name; unquoted, unescaped, with a NUL
                                            behind each that does not count */
    const unsigned *lines;               /* where each argument begins */
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
    const char *text; /* with its "in FILE:LINE"; one line of UTF-8 */
    struct tg_conf_problem *next;
};

struct tg_directive;

/* A directive of another program, and what does its job here. */
struct tg_conf_hint {
    const char *name;
    const char *hint; /* at most 120 bytes */
};

/* One load of a configuration. */
struct tg_conf {
    struct tg_arena *arena;           /* the configuration's lifetime; borrowed */
    const char *prefix;               /* what relative file names in directives start from (-p) */
    struct tg_conf_problem *problems; /* oldest first */
    struct tg_conf_problem **last_problem;
    unsigned errors;   /* problems of level emerg */
    unsigned warnings; /* problems of level warn */
    void *owner;       /* what the core's own setters need beside their target */
    bool environment;  /* the text may take values from the environment: trainguard.conf's alone */
    size_t expanded;   /* bytes taken from it */

    /* Every table of the grammar, NULL-terminated, for "is not allowed here, it belongs in ...";
     * NULL: only the tables given to tg_conf_apply() are searched. Borrowed. */
    const struct tg_directive *const *known;

    /* Names that people bring along; ends with a NULL name. NULL: none. Borrowed. */
    const struct tg_conf_hint *foreign;

    struct tg_conf_shared *shared; /* see tg_conf_shared() */

    /* Told the name of each file, and each pattern of `include`, before it is read; NULL: nobody.
     */
    void (*on_read)(void *reader, const char *name);
    void *reader;

    /* Asked about the bytes of each file but the first before they are understood: false after it
     * recorded that they may not be used; NULL: all may. */
    bool (*on_text)(struct tg_conf *c, const char *name, struct tg_str text);
    const void *texts;
};

/* Starts a load. `prefix` must end in '/' and live as long as the arena. */
void tg_conf_init(struct tg_conf *c, struct tg_arena *arena, const char *prefix);

/* The place, NULL at first, where a filter keeps what its locations share within this load. `owner`
 * tells filters apart: an address of its own. */
void **tg_conf_shared(struct tg_conf *c, const void *owner);

/*
 * Records a problem at an item's place: text + " in FILE:LINE". Setters return false after it.
 * `at` may be NULL: then the text stands alone. Control characters and bytes that are not UTF-8
 * become '?', so that a value from the file cannot break the line.
 */
void tg_conf_error(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tg_conf_warn(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Records `unknown WHAT "NAME" in FILE:LINE, did you mean "NEAREST"?`, without its second half when
 * no name of `names` (NULL-terminated) is near enough. `what` is a noun: "directive", "filter".
 */
void tg_conf_unknown(struct tg_conf *c, const struct tg_conf_item *at, const char *what,
                     struct tg_str name, const char *const *names);

/* Records `unknown directive "NAME" in FILE:LINE: HINT` when the item's name is one of c->foreign;
 * false, and nothing recorded, when it is not. */
bool tg_conf_foreign(struct tg_conf *c, const struct tg_conf_item *item);

/* What one load may cost; more is an error, not a limit anyone meets. */
enum {
    TG_CONF_MAX_FILE = TG_FILE_MAX, /* bytes */
    TG_CONF_MAX_FILES = 1000,       /* one file counts each time it is included */
    TG_CONF_MAX_INCLUDES = 16,      /* files open at once */
    TG_CONF_MAX_BLOCKS = 32,        /* blocks open at once */
    TG_CONF_MAX_PROBLEMS = 200,     /* kept; more are counted */
    TG_CONF_MAX_TEXT = 1000, /* bytes of a problem's text without its place; the rest is cut */
};

/*
 * Reads a file (named from the working directory) and what it includes (named from c->prefix; globs
 * allowed, sorted by name). Returns the first item, or NULL when the file is empty or problems were
 * recorded (c->errors tells). `tg_conf_parse_text` does the same for text in memory, named `name`
 * in messages; the text is copied.
 *
 * The text is UTF-8 without NUL or other control characters but tab, CR and LF. A "{name}" or
 * "{name.name}" inside a word belongs to the word; any other brace ends it. A backslash before a
 * quote or a backslash takes it as it is, "\n", "\r" and "\t" are what they are in C; outside
 * quotes a backslash also takes a blank or one of ; { } # as it is. Before anything else the
 * backslash stays: patterns need no doubling.
 *
 * With c->environment, "${NAME}" and "${NAME:-DEFAULT}" in an argument outside single quotes are
 * replaced by what the environment has; what that holds is not read again. The name of a directive
 * is never replaced.
 */
const struct tg_conf_item *tg_conf_parse(struct tg_conf *c, const char *file);
const struct tg_conf_item *tg_conf_parse_text(struct tg_conf *c, const char *name,
                                              struct tg_str text);

/*
 * Appends what a "${NAME}" or "${NAME:-DEFAULT}" that `text` begins with stands for, and returns
 * its length in bytes. A variable that is not set or holds what is no text is an error at `at`. So
 * is anything else behind "${", for which it returns 0.
 */
size_t tg_conf_variable(struct tg_conf *c, const struct tg_conf_item *at, struct tg_str text,
                        struct tg_buf *out);

/* The length of a "{name}" (letters, digits, '_'; not a digit first) that `s` begins with, or 0. */
size_t tg_conf_parameter(struct tg_str s);

/* The same, or that of a "{name.name}": what of braces belongs to a word. */
size_t tg_conf_braced(struct tg_str s);

enum tg_conf_kind {
    TG_CONF_FLAG = 1, /* on | off -> bool */
    TG_CONF_NUMBER,   /* -> int64_t, min..max */
    TG_CONF_SIZE,     /* bytes, with k, m, g -> int64_t, min..max */
    TG_CONF_TIME,   /* 500ms, 3s, 2m, 1h, 1d; no unit: seconds -> int64_t microseconds, min..max */
    TG_CONF_ENUM,   /* one of `words` -> int (its index + 1) */
    TG_CONF_STRING, /* -> struct tg_str (in the arena, NUL-terminated) */
    TG_CONF_PATH,   /* the same through tg_conf_path() */
    TG_CONF_CUSTOM, /* `set` does it */
};

/* For max_args. */
#define TG_CONF_NO_ARGS  UINT_MAX       /* with min_args 0: stands alone */
#define TG_CONF_ANY_ARGS (UINT_MAX - 1) /* no upper bound */

/* A custom setter. `target` is the settings struct of the block. Returns false after it recorded a
 * problem. For a directive with a block, the setter applies the block's children itself. */
typedef bool tg_conf_setter(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                            const struct tg_directive *d);

/* Where a directive may stand; a row names one or more, so they are bits. The grammar knows nothing
 * of them but the words for "belongs in"; blocks of filters and modules share TG_IN_BLOCK, and are
 * told apart by the table of the block they stand in. */
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
    TG_IN_ANY_OF = 1 << 9,
    TG_IN_TEST_FILE = 1 << 10,
    TG_IN_CASE = 1 << 11,
    TG_IN_KEY_FILE = 1 << 12,
    TG_IN_KEY = 1 << 13,
    TG_IN_CLIENT_KEYS = 1 << 14,
    TG_IN_CREDENTIAL = 1 << 15,
    TG_IN_LOCAL_KEY = 1 << 17,
    TG_IN_LIMIT_STORE = 1 << 18,
    TG_IN_BLOCK = 1 << 16, /* the inside of a filter's own block, whatever it is called */
};

struct tg_directive {
    const char *name;
    unsigned contexts; /* enum tg_conf_context, or-ed */
    enum tg_conf_kind kind;
    bool block;        /* takes a block instead of ';' */
    bool repeat;       /* may stand several times in one block (only TG_CONF_CUSTOM) */
    bool secret;       /* its arguments are masked in -T */
    unsigned min_args; /* without the name; 0 for both means exactly 1 */
    unsigned max_args; /* or TG_CONF_NO_ARGS, TG_CONF_ANY_ARGS */
    size_t offset;     /* of the field in the target (kinds but CUSTOM) */
    int64_t min;       /* bounds for NUMBER, SIZE (bytes), TIME (microseconds, of whole ms) */
    int64_t max;
    const char *const *words; /* ENUM: NULL-terminated */
    const char *fallback;     /* the default as one would write it (CUSTOM: through `set`); NULL:
                                 none, the field is left */
    const char *syntax;       /* arguments as the reference shows them, e.g. "NUMBER | auto" */
    const char *help;         /* one or more sentences for the reference */
    tg_conf_setter *set;      /* CUSTOM */
};

/* A table with the struct its rows write into. `rows` ends with a row whose name is NULL. Rows that
 * may not stand in the block at hand are passed over, so one table can serve several blocks. */
struct tg_conf_table {
    const struct tg_directive *rows;
    void *target;
};

/* The word for one context ("main", "upstream", ...), as blocks are named in messages. */
const char *tg_conf_context_name(unsigned context);

/* The row of that name that may stand in one of `contexts`, or NULL. */
const struct tg_directive *tg_conf_row(const struct tg_directive *rows, struct tg_str name,
                                       unsigned contexts);

/* Writes the defaults of all rows (in `contexts`) of a table into its target. A default that does
 * not fit its own row is a bug (CHECKed). */
void tg_conf_defaults(struct tg_conf *c, unsigned contexts, const struct tg_conf_table *table);

/*
 * Applies one block: first its simple directives, then its blocks, so that what a block inherits
 * does not depend on the order of lines. Each item from `first` on is looked up in the tables;
 * unknown names are errors with the nearest known name, or with where the directive may stand.
 * Repeated ones (without `repeat`), wrong argument counts and values out of bounds are errors.
 * Returns false when it recorded an error.
 */
bool tg_conf_apply(struct tg_conf *c, unsigned context, const struct tg_conf_item *first,
                   const struct tg_conf_table *tables, unsigned ntables);

/*
 * Applies one item, whatever block it stands in, through its row `d` into `target`: argument count,
 * value, bounds, setter.
 */
bool tg_conf_set(struct tg_conf *c, const struct tg_conf_item *item, const struct tg_directive *d,
                 void *target);

/* For a configuration with errors (c->known is set): records where a line of arguments begins with
 * the name of a directive, in all blocks of a list of items. */
void tg_conf_hint_semicolons(struct tg_conf *c, const struct tg_conf_item *item);

/*
 * The known name nearest to `name`, or NULL when none is near enough to be a likely typo.
 * `names` ends with NULL.
 */
const char *tg_conf_nearest(struct tg_str name, const char *const *names);

/* Value readers shared with custom setters: numbers are plain decimal, sizes bytes or with k, m, g,
 * times seconds or with ms, s, m, h, d (result in microseconds); min and max are inclusive and not
 * negative. On failure they record a problem that names the directive, the range and what was
 * there, and return false. */
bool tg_conf_number(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                    int64_t min, int64_t max, int64_t *out);
bool tg_conf_size(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out);
bool tg_conf_time(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out);

/* The index of `text` in `words` (NULL-terminated) plus 1 goes to *out; else as the readers above.
 */
bool tg_conf_word(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  const char *const *words, int *out);

/* How a value of a row's kind (NUMBER, SIZE, TIME) is written, in the largest unit that fits. */
void tg_conf_write_value(enum tg_conf_kind kind, int64_t value, struct tg_buf *out);

/* What c->on_text says; true when there is none. For whoever reads a file that the text names. */
static inline bool tg_conf_may_use(struct tg_conf *c, const char *name, struct tg_str text)
{
    return c->on_text == NULL || c->on_text(c, name, text);
}

/* `name` as a path: relative names start at c->prefix. In the arena, NUL-terminated. */
struct tg_str tg_conf_path(struct tg_conf *c, struct tg_str name);

/* Prints the tree as configuration text (for -T), arguments of `secret` directives of any table
 * (NULL-terminated list) as "***". Reading the text again gives the same tree. */
void tg_conf_dump(const struct tg_conf_item *first, const struct tg_directive *const *tables,
                  struct tg_buf *out);

/* Appends the reference of one table as Markdown. */
void tg_conf_reference(const char *title, const struct tg_directive *rows, struct tg_buf *out);

#endif
