/* Keeps records that come in no order and sorts them: by stream, then by number. */
#include "cli/audit_stored.h"

#include "base/check.h"

#include <stdlib.h>

struct stored {
    struct tg_audit_line line;
    struct tg_str text;
    struct tg_audit_place place;
};

struct tg_audit_stored {
    struct tg_arena *arena;
    struct stored *line;
    size_t n;
    size_t cap;
};

struct tg_audit_stored *tg_audit_stored_new(struct tg_arena *arena)
{
    struct tg_audit_stored *all = tg_arena_zalloc(arena, 1, sizeof(*all));

    all->arena = arena;
    return all;
}

void tg_audit_stored_end(struct tg_audit_stored *all)
{
    free(all->line);
    all->line = NULL;
    all->n = all->cap = 0;
}

static struct stored *one_more(struct tg_audit_stored *all)
{
    if (all->n == all->cap) {
        all->cap = all->cap > 0 ? 2 * all->cap : 1024;
        all->line = realloc(all->line, all->cap * sizeof(*all->line));
        CHECK(all->line != NULL);
    }
    return &all->line[all->n++];
}

bool tg_audit_store(struct tg_audit_stored *all, struct tg_str text,
                    const struct tg_audit_place *place)
{
    struct tg_audit_line line;
    struct stored *s;

    if (!tg_audit_line_read(text, &line))
        return false;
    s = one_more(all);
    s->text = tg_arena_dup(all->arena, text);
    s->place = *place;
    s->place.rotated = false;
    CHECK(tg_audit_line_read(s->text, &s->line));
    return true;
}

static int compare_texts(struct tg_str a, struct tg_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* By stream, then by number; the record that continues a stream stands behind its namesake. */
static int compare_stored(const void *left, const void *right)
{
    const struct stored *a = left;
    const struct stored *b = right;
    int order = compare_texts(a->line.stream, b->line.stream);
    int continues[] = {tg_str_eq(a->line.event, TG_STR("continue")),
                       tg_str_eq(b->line.event, TG_STR("continue"))};

    if (order != 0)
        return order;
    if (a->line.seq != b->line.seq)
        return a->line.seq < b->line.seq ? -1 : 1;
    order = continues[0] - continues[1];
    return order != 0 ? order : compare_texts(a->text, b->text);
}

void tg_audit_stored_read(struct tg_audit_stored *all, tg_audit_take_stored *take, void *context)
{
    bool more = true;

    if (all->n > 0)
        qsort(all->line, all->n, sizeof(*all->line), compare_stored);
    for (size_t i = 0; i < all->n && more; i++) {
        const struct stored *s = &all->line[i];

        more =
            take(context, s->text, &s->place, i > 0 && tg_str_eq(s->text, all->line[i - 1].text));
    }
}
