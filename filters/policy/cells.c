/* Cells of tables in tests: "{table.column}", filled in once for every row. */
#include "base/buf.h"
#include "base/check.h"
#include "policy/internal.h"

/* --- cells in texts --- */

/* Takes the text up to the first cell and the cell off a text: returns what stands before it, and
 * sets the names; table->n is 0 when there is none. */
static struct tg_str next_cell(struct tg_str *text, struct tg_str *table, struct tg_str *column)
{
    struct tg_str before = {text->p, 0};

    while (before.n < text->n) {
        struct tg_str here = tg_str_skip(*text, before.n);
        size_t n = tg_conf_braced(here);
        const char *dot = n > 0 ? memchr(here.p, '.', n) : NULL;

        if (dot != NULL) {
            *table = (struct tg_str){here.p + 1, (size_t)(dot - here.p) - 1};
            *column = (struct tg_str){dot + 1, n - table->n - 3};
            *text = tg_str_skip(here, n);
            return before;
        }
        before.n++;
    }
    *text = tg_str_skip(*text, text->n);
    table->n = 0;
    return before;
}

bool tg_policy_has_cell(struct tg_str text)
{
    struct tg_str table, column;

    (void)next_cell(&text, &table, &column);
    return table.n > 0;
}

/* False after it recorded that a text names cells of another table, or ones that there are not. */
static bool check_cells(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_policy_table *t, struct tg_str text)
{
    struct tg_str table, column;

    while (text.n > 0) {
        (void)next_cell(&text, &table, &column);
        if (table.n == 0)
            return true;
        if (!tg_str_eq(table, t->name)) {
            tg_conf_error(c, item,
                          "a test takes the cells of one table, this one has \"%s\" and "
                          "\"%.*s\"",
                          t->name.p, TG_STR_ARG(table));
            return false;
        }
        if (tg_policy_table_column(t, column) == t->ncolumns) {
            tg_conf_error(c, item, "table \"%s\" has no column \"%.*s\", see its first row in %s,",
                          t->name.p, TG_STR_ARG(column), t->file);
            return false;
        }
    }
    return true;
}

/* A text with the cells of a row in it; false when one of them is empty. */
static bool fill_cells(struct tg_arena *arena, const struct tg_policy_table *t,
                       const struct tg_policy_row *row, struct tg_str text, struct tg_str *out)
{
    struct tg_buf filled = {0};
    struct tg_str table, column;
    bool all = true;

    while (text.n > 0) {
        tg_buf_add(&filled, next_cell(&text, &table, &column));
        if (table.n == 0)
            break;
        all = all && row->cells[tg_policy_table_column(t, column)].n > 0;
        tg_buf_add(&filled, row->cells[tg_policy_table_column(t, column)]);
    }
    *out = tg_arena_dup(arena, tg_buf_str(&filled));
    tg_buf_end(&filled);
    return all;
}

/* --- the row of a request --- */

const struct tg_policy_test *tg_policy_test_of_row(const struct tg_policy_test *t)
{
    return *t->row != NULL ? t->by_row[(*t->row)->index] : NULL;
}

bool tg_policy_test_is_missing(const struct tg_policy_test *t)
{
    return t->row != NULL && *t->row != NULL && tg_policy_test_of_row(t) == NULL;
}

/* Who has no row, since it is not known who it is, cannot be judged. */
static enum tg_rule_result judge_by_row(const struct tg_policy_test *t,
                                        const struct tg_policy_seen *s)
{
    const struct tg_policy_test *one = tg_policy_test_of_row(t);

    if (one == NULL)
        return *t->row != NULL ? TG_RULE_FAIL : TG_RULE_ERROR;
    return one->run(one, s);
}

/* --- one test for each row --- */

/* The match of a policy that looks a table up; records why there is not exactly one. */
static const struct tg_policy_match *looked_up(struct tg_conf *c, const struct tg_policy_test *t,
                                               const struct tg_policy_match *matches,
                                               struct tg_str table)
{
    const struct tg_policy_match *found = NULL;
    unsigned n = 0;

    for (const struct tg_policy_match *m = matches; m != NULL; m = m->next) {
        if (m->unless || m->table == NULL || !tg_str_eq(m->in, table))
            continue;
        found = m;
        n++;
    }
    if (n == 1)
        return found;
    tg_conf_error(
        c, t->item,
        "a cell of table \"%.*s\" takes %s \"match ... in %.*s\" of its policy, which says "
        "whose row it is",
        TG_STR_ARG(table), n == 0 ? "a" : "one", TG_STR_ARG(table));
    return NULL;
}

/* The test for a row, NULL when a cell is empty. Problems stand at the row. */
static struct tg_policy_test *fill_row(struct tg_conf *c, const struct tg_policy_test *t,
                                       const struct tg_policy_table *table,
                                       const struct tg_policy_row *row)
{
    struct tg_conf_item *item = tg_arena_alloc(c->arena, sizeof(*item));
    struct tg_str *args = tg_arena_zalloc(c->arena, t->item->nargs, sizeof(*args));
    struct tg_policy_test *list = NULL;

    *item = *t->item;
    item->args = args;
    item->file = table->file;
    item->line = row->line;
    args[0] = t->item->args[0];
    for (unsigned i = 1; i < item->nargs; i++)
        if (!fill_cells(c->arena, table, row, t->item->args[i], &args[i]))
            return NULL;
    return tg_policy_test_read(c, item, &list);
}

static bool cells_are_there(struct tg_conf *c, const struct tg_policy_test *t,
                            const struct tg_policy_table *table)
{
    for (unsigned i = 1; i < t->item->nargs; i++)
        if (!check_cells(c, t->item, table, t->item->args[i]))
            return false;
    return true;
}

static struct tg_str first_table(const struct tg_policy_test *t)
{
    struct tg_str table = {NULL, 0}, column;

    for (unsigned i = 1; i < t->item->nargs && table.n == 0; i++) {
        struct tg_str text = t->item->args[i];

        (void)next_cell(&text, &table, &column);
    }
    return table;
}

void tg_policy_test_settle(struct tg_conf *c, struct tg_policy_test *t,
                           const struct tg_policy_match *matches,
                           const struct tg_policy_path *paths, unsigned npaths)
{
    const struct tg_policy_match *m = looked_up(c, t, matches, first_table(t));
    bool can_fail = false;

    if (m == NULL || !cells_are_there(c, t, m->table))
        return;
    t->by_row = tg_arena_zalloc(c->arena, m->table->nrows, sizeof(struct tg_policy_test *));
    t->row = m->row;
    t->run = judge_by_row;
    for (unsigned i = 0; i < m->table->nrows; i++) {
        struct tg_policy_test *one = fill_row(c, t, m->table, &m->table->rows[i]);

        for (unsigned k = 0; k < npaths && one != NULL; k++)
            if (!tg_policy_test_fits(c, one, &paths[k], &can_fail))
                break;
        t->by_row[i] = one;
    }
}
