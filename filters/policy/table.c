/* Tables that policies look things up in: loading, finding a row, naming a cell. */
#include "base/chars.h"
#include "base/check.h"
#include "base/file.h"
#include "policy/csv.h"
#include "policy/internal.h"

#include <stdlib.h>

/* --- making one --- */

/* Records that something is wrong with a row. */
static bool bad_row(struct tg_conf *c, const struct tg_policy_table *t, unsigned line,
                    const char *why)
{
    tg_conf_error(c, &(struct tg_conf_item){.file = t->file, .line = line},
                  "a row of table \"%s\" %s", t->name.p, why);
    return false;
}

unsigned tg_policy_table_column(const struct tg_policy_table *t, struct tg_str name)
{
    unsigned i = 0;

    while (i < t->ncolumns && !tg_str_eq(t->columns[i], name))
        i++;
    return i;
}

static bool take_header(struct tg_conf *c, struct tg_policy_table *t, const struct tg_csv_row *row)
{
    t->columns = tg_arena_zalloc(c->arena, row->n, sizeof(*t->columns));
    for (unsigned i = 0; i < row->n; i++) {
        if (row->cells[i].n == 0)
            return bad_row(c, t, row->line, "has a column without a name");
        if (tg_policy_table_column(t, row->cells[i]) < t->ncolumns)
            return bad_row(c, t, row->line, "names a column twice");
        t->columns[t->ncolumns++] = row->cells[i];
    }
    return true;
}

bool tg_policy_table_add(struct tg_conf *c, struct tg_policy_table *t, const struct tg_str *cells,
                         unsigned ncells, unsigned line)
{
    struct tg_policy_row *row;

    if (ncells != t->ncolumns)
        return bad_row(c, t, line,
                       ncells < t->ncolumns ? "lacks cells" : "has more cells than columns");
    if (cells[0].n == 0)
        return bad_row(c, t, line, "has no key");
    if (t->nrows == t->cap) {
        struct tg_policy_row *more;

        t->cap = t->cap * 2 + 16;
        more = tg_arena_zalloc(c->arena, t->cap, sizeof(*more));
        if (t->nrows > 0)
            memcpy(more, t->rows, t->nrows * sizeof(*more));
        t->rows = more;
    }
    row = &t->rows[t->nrows++];
    row->line = line;
    row->cells = tg_arena_zalloc(c->arena, ncells, sizeof(*row->cells));
    memcpy(row->cells, cells, ncells * sizeof(*row->cells));
    return true;
}

static int table_compare(struct tg_str a, struct tg_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b)
{
    const struct tg_policy_row *x = a, *y = b;
    int order = table_compare(x->cells[0], y->cells[0]);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

bool tg_policy_table_finish(struct tg_conf *c, struct tg_policy_table *t)
{
    unsigned errors = c->errors;

    if (t->nrows > 0)
        qsort(t->rows, t->nrows, sizeof(*t->rows), by_key);
    for (unsigned i = 0; i < t->nrows; i++) {
        t->rows[i].index = i;
        if (i > 0 && tg_str_eq(t->rows[i - 1].cells[0], t->rows[i].cells[0]))
            tg_conf_error(c, &(struct tg_conf_item){.file = t->file, .line = t->rows[i].line},
                          "table \"%s\" has the row \"%s\" twice, in line %u and again", t->name.p,
                          t->rows[i].cells[0].p, t->rows[i - 1].line);
    }
    return c->errors == errors;
}

/* --- files --- */

/* Relative names start at the folder of the file that has them. */
static struct tg_str path_beside(struct tg_conf *c, const char *file, struct tg_str name)
{
    const char *slash = strrchr(file, '/');

    if (*name.p == '/' || slash == NULL)
        return name;
    return tg_arena_printf(c->arena, "%.*s/%s", (int)(slash - file), file, name.p);
}

static bool read_rows(struct tg_conf *c, struct tg_policy_table *t)
{
    struct tg_csv csv = tg_csv_begin(t->text);
    struct tg_csv_row *row = tg_arena_alloc(c->arena, sizeof(*row));

    while (tg_csv_next(&csv, c->arena, row)) {
        bool good = t->columns == NULL ? take_header(c, t, row)
                                       : tg_policy_table_add(c, t, row->cells, row->n, row->line);

        if (!good && t->nrows == 0)
            return false; /* with a header that is wrong every row would be */
    }
    if (csv.wrong != NULL)
        return bad_row(c, t, csv.line, csv.wrong);
    if (t->columns == NULL)
        return bad_row(c, t, 1, "is missing, the first names the columns");
    return true;
}

struct tg_policy_table *tg_policy_table_read(struct tg_conf *c, const struct tg_conf_item *item)
{
    struct tg_policy_table *t = tg_arena_zalloc(c->arena, 1, sizeof(*t));
    struct tg_file file;
    unsigned errors = c->errors;
    const char *why;

    CHECK(item->nargs == 3);
    t->name = item->args[1];
    t->item = item;
    t->file = path_beside(c, item->file, item->args[2]).p;
    if (t->name.n == 0 || t->name.n > 64 || !tg_chars_are(t->name, TG_CHAR_NAME)) {
        tg_conf_error(c, item, "\"table\" takes a name and a file, got \"%s\"", t->name.p);
        return NULL;
    }
    why = tg_file_read(c->arena, t->file, &file);
    if (why != NULL) {
        tg_conf_error(c, item, "cannot read \"%s\": %s", t->file, why);
        return NULL;
    }
    t->text = file.text;
    if (!tg_conf_may_use(c, t->file, t->text))
        return NULL;
    (void)(read_rows(c, t) && tg_policy_table_finish(c, t));
    return c->errors == errors ? t : NULL;
}

const struct tg_policy_row *tg_policy_table_find(const struct tg_policy_table *t, struct tg_str key)
{
    unsigned low = 0, high = t->nrows;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = table_compare(key, t->rows[middle].cells[0]);

        if (order == 0)
            return &t->rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* --- a set's --- */

struct tg_policy_table *tg_policy_table_named(struct tg_policy_table *list, struct tg_str name)
{
    while (list != NULL && !tg_str_eq(list->name, name))
        list = list->next;
    return list;
}

bool tg_policy_table_unknown(struct tg_conf *c, const struct tg_conf_item *item,
                             const struct tg_policy_table *list, struct tg_str name)
{
    const char **names;
    size_t n = 0;

    for (const struct tg_policy_table *t = list; t != NULL; t = t->next)
        n++;
    names = tg_arena_zalloc(c->arena, n + 1, sizeof(*names));
    n = 0;
    for (; list != NULL; list = list->next)
        names[n++] = list->name.p;
    tg_conf_unknown(c, item, "table", name, names);
    return false;
}
