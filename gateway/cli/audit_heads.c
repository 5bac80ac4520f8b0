/* Reads where streams stood at some time. */
#include "cli/audit_heads.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"

#include <stdlib.h>

static int compare_texts(struct tg_str a, struct tg_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

struct reading {
    struct tg_audit_heads *heads;
    struct tg_arena line;
    bool good;
};

static bool audit_heads_read_head(struct tg_arena *arena, struct tg_str text,
                                  struct tg_audit_head *out)
{
    struct tg_doc doc;

    if (!tg_audit_parse(&doc, arena, text))
        return false;
    out->stream = tg_audit_text(&doc, 0, TG_STR("stream"));
    out->chain = tg_audit_text(&doc, 0, TG_STR("chain"));
    out->time = tg_audit_text(&doc, 0, TG_STR("time"));
    return out->stream.n > 0 && tg_str_u64(tg_audit_text(&doc, 0, TG_STR("seq")), &out->seq) &&
           out->chain.n == TG_SHA256_HEX && tg_chars_are(out->chain, TG_CHAR_LOWER_HEX);
}

static void audit_heads_keep(struct tg_audit_heads *heads, const struct tg_audit_head *head)
{
    struct tg_audit_head *h;

    if (heads->n == heads->cap) {
        heads->cap = heads->cap > 0 ? 2 * heads->cap : 64;
        heads->at = realloc(heads->at, heads->cap * sizeof(*heads->at));
        CHECK(heads->at != NULL);
    }
    h = &heads->at[heads->n++];
    *h = *head;
    h->stream = tg_arena_dup(&heads->arena, head->stream);
    h->chain = tg_arena_dup(&heads->arena, head->chain);
    h->time = tg_arena_dup(&heads->arena, head->time);
}

static bool audit_heads_take_head(void *context, struct tg_str text,
                                  const struct tg_audit_place *place)
{
    struct reading *r = context;
    struct tg_audit_head head = {.place = *place};

    text = tg_str_trim(text);
    if (text.n == 0)
        return true;
    tg_arena_reset(&r->line);
    if (audit_heads_read_head(&r->line, text, &head)) {
        audit_heads_keep(r->heads, &head);
        return true;
    }
    tg_complain("trainguard audit: %s:%llu: is no head of a stream: stream, seq and chain",
                place->file, (unsigned long long)place->number);
    r->good = false;
    return false;
}

static int compare_heads(const void *left, const void *right)
{
    const struct tg_audit_head *a = left;
    const struct tg_audit_head *b = right;
    int order = compare_texts(a->stream, b->stream);

    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

bool tg_audit_heads_read(struct tg_audit_heads *heads, const char *file)
{
    struct reading r = {.heads = heads, .good = true};
    const struct tg_audit_reading reading = {.on_line = audit_heads_take_head, .context = &r};
    char *files[] = {(char *)file};

    *heads = (struct tg_audit_heads){.n = 0};
    tg_arena_init(&heads->arena);
    if (file == NULL)
        return true;
    tg_arena_init(&r.line);
    r.good = tg_audit_read(files, 1, false, &reading) && r.good;
    tg_arena_end(&r.line);
    if (heads->n > 0)
        qsort(heads->at, heads->n, sizeof(*heads->at), compare_heads);
    return r.good;
}

void tg_audit_heads_end(struct tg_audit_heads *heads)
{
    free(heads->at);
    heads->at = NULL;
    heads->n = heads->cap = 0;
    tg_arena_end(&heads->arena);
}

const struct tg_audit_head *tg_audit_heads_of(const struct tg_audit_heads *heads,
                                              struct tg_str stream)
{
    size_t low = 0;
    size_t high = heads->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_texts(heads->at[middle].stream, stream) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < heads->n && tg_str_eq(heads->at[low].stream, stream) ? &heads->at[low] : NULL;
}

const struct tg_audit_head *tg_audit_heads_next(const struct tg_audit_heads *heads,
                                                const struct tg_audit_head *head)
{
    const struct tg_audit_head *next = head + 1;

    return next < heads->at + heads->n && tg_str_eq(next->stream, head->stream) ? next : NULL;
}
