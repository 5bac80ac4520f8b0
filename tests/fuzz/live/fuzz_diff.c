/*
 * What a PUT changes: two documents, a zero byte between. Whatever they are, a config compared with
 * itself has no change; each change is told once, what is new stands in the request's document, and
 * a partial request takes nothing away.
 */
#include "live/diff.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tg_json_limits limits = {64, 100000};

static bool parse(struct tg_doc *d, struct tg_arena *arena, struct tg_str text)
{
    struct tg_json_fault fault;

    return tg_doc_parse(d, arena, text, &limits, &fault) && tg_doc_type(d, 0) == TG_OBJECT;
}

static struct tg_before compared(struct tg_arena *arena, struct tg_doc *old, struct tg_doc *new)
{
    struct tg_before before = {.there = true};
    struct tg_request r;

    tg_request_init(&r, arena);
    r.doc = new;
    tg_diff(&r, old, 0, &before);
    return before;
}

static void check_changes(const struct tg_before *b, const struct tg_doc *new)
{
    unsigned n = 0;

    for (const struct tg_diff *d = b->changes; d != NULL; d = d->next, n++) {
        CHECK(d->pointer.n > 0 && *d->pointer.p == '/');
        CHECK((d->op == TG_DIFF_REMOVE) == (d->node == TG_NONE));
        CHECK(d->node == TG_NONE || d->node < new->count);
        CHECK(d->op != TG_DIFF_REMOVE || !b->partial);
    }
    CHECK(n == b->nchanges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *end = size > 0 ? memchr(data, '\0', size) : NULL;
    struct tg_str first = {(const char *)data,
                           end != NULL ? (size_t)(end - (const char *)data) : size};
    struct tg_str second =
        end != NULL ? tg_str_skip((struct tg_str){(const char *)data, size}, first.n + 1) : first;
    struct tg_arena arena;
    struct tg_doc old, new;

    tg_arena_init(&arena);
    if (parse(&old, &arena, first) && parse(&new, &arena, second)) {
        struct tg_before before = compared(&arena, &old, &new);

        check_changes(&before, &new);
        before = compared(&arena, &old, &old);
        CHECK(before.changes == NULL && before.nchanges == 0);
    }
    tg_arena_end(&arena);
    return 0;
}
