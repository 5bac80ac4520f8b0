/* Puts records that come in no order into the order in which their workers wrote them. */
#include "cli/audit_stored.h"

#include "base/check.h"
#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUCKETS = 4096, DIGEST = 8 };

/* By what a line is known again: the beginnings of two digests. */
struct seen {
    char text[DIGEST]; /* of the whole line, under a key nobody knows */
    char chain[DIGEST];
};

/* A line that waits for the ones before it; its text lies in the file. */
struct waiting_line {
    uint64_t seq;
    bool continues; /* a record `continue`, which has the number of the line before it */
    size_t at;
    size_t n;
    struct tg_audit_place place;
};

struct stream {
    struct tg_str name;
    uint64_t base; /* the number of seen[0] */
    uint64_t next; /* the number that is given next */
    struct seen *seen;
    size_t cap;
    struct seen *continued; /* records `continue` that were given */
    size_t ncontinued;
    struct waiting_line *waiting; /* a heap, the lowest on top */
    size_t nwaiting;
    size_t waiting_cap;
    struct stream *in_bucket;
    struct stream *behind; /* in order of appearance */
};

struct tg_audit_stored {
    tg_audit_take_stored *take;
    void *context;
    struct tg_arena arena;
    struct tg_hash *hash;
    struct stream *buckets[BUCKETS];
    struct stream *first;
    struct stream **last;
    int fd;            /* of the file; -1: none yet */
    size_t end;        /* of what is in it */
    uint64_t nwaiting; /* lines in it */
    struct tg_buf text;
    const char *trouble;
};

/* Room for one more element. */
static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap > 0 ? 2 * *cap : 16;
    p = realloc(p, *cap * size);
    CHECK(p != NULL);
    return p;
}

struct tg_audit_stored *tg_audit_stored_new(tg_audit_take_stored *take, void *context)
{
    struct tg_audit_stored *all = calloc(1, sizeof(*all));
    char key[TG_SHA256];

    CHECK(all != NULL);
    all->take = take;
    all->context = context;
    all->last = &all->first;
    all->fd = -1;
    tg_arena_init(&all->arena);
    tg_random(key, sizeof(key));
    all->hash = tg_hash_new((struct tg_str){key, sizeof(key)});
    return all;
}

void tg_audit_stored_end(struct tg_audit_stored *all)
{
    if (all == NULL)
        return;
    for (struct stream *s = all->first; s != NULL; s = s->behind) {
        free(s->seen);
        free(s->continued);
        free(s->waiting);
    }
    if (all->fd >= 0)
        close(all->fd);
    tg_buf_end(&all->text);
    tg_hash_end(all->hash);
    tg_arena_end(&all->arena);
    free(all);
}

const char *tg_audit_stored_trouble(const struct tg_audit_stored *all)
{
    return all->trouble;
}

/* --- streams --- */

static struct stream **audit_stored_bucket_of(struct tg_audit_stored *all, struct tg_str name)
{
    unsigned hash = 0;

    for (size_t i = 0; i < name.n; i++)
        hash = hash * 31 + (unsigned char)name.p[i];
    return &all->buckets[hash % BUCKETS];
}

static struct stream *audit_stored_find(struct tg_audit_stored *all, struct tg_str name)
{
    struct stream *s = *audit_stored_bucket_of(all, name);

    while (s != NULL && !tg_str_eq(s->name, name))
        s = s->in_bucket;
    return s;
}

static struct stream *find_or_add(struct tg_audit_stored *all, struct tg_str name)
{
    struct stream **bucket = audit_stored_bucket_of(all, name);
    struct stream *s = audit_stored_find(all, name);

    if (s != NULL)
        return s;
    s = tg_arena_zalloc(&all->arena, 1, sizeof(*s));
    s->name = tg_arena_dup(&all->arena, name);
    s->base = s->next = 1;
    s->in_bucket = *bucket;
    *bucket = s;
    *all->last = s;
    all->last = &s->behind;
    return s;
}

/* --- the file --- */

static bool audit_stored_fail(struct tg_audit_stored *all, const char *what)
{
    const char *why = strerror(errno);

    all->trouble =
        tg_arena_printf(&all->arena, "lines that wait for others cannot be kept: %s: %s", what, why)
            .p;
    return false;
}

static bool audit_stored_open_file(struct tg_audit_stored *all)
{
    const char *folder = getenv("TMPDIR");
    char *name;

    if (folder == NULL || *folder == '\0')
        folder = "/tmp";
    name = (char *)tg_arena_printf(&all->arena, "%s/trainguard-XXXXXX", folder).p;
    all->fd = mkostemp(name, O_CLOEXEC);
    if (all->fd < 0)
        return audit_stored_fail(all, folder);
    (void)unlink(name);
    return true;
}

static bool write_all(struct tg_audit_stored *all, struct tg_str text)
{
    while (text.n > 0) {
        ssize_t n = pwrite(all->fd, text.p, text.n, (off_t)all->end);

        if (n <= 0)
            return audit_stored_fail(all, "writing");
        text = tg_str_skip(text, (size_t)n);
        all->end += (size_t)n;
    }
    return true;
}

static bool read_text(struct tg_audit_stored *all, const struct waiting_line *h)
{
    all->text.n = 0;
    while (all->text.n < h->n) {
        ssize_t n = pread(all->fd, tg_buf_room(&all->text, h->n - all->text.n), h->n - all->text.n,
                          (off_t)(h->at + all->text.n));

        if (n <= 0)
            return audit_stored_fail(all, "reading");
        all->text.n += (size_t)n;
    }
    return true;
}

/* --- what waits --- */

static bool is_before(const struct waiting_line *a, const struct waiting_line *b)
{
    return a->seq != b->seq ? a->seq < b->seq : a->continues < b->continues;
}

static void swap(struct waiting_line *a, struct waiting_line *b)
{
    struct waiting_line old = *a;

    *a = *b;
    *b = old;
}

static void push(struct stream *s, const struct waiting_line *h)
{
    size_t i = s->nwaiting++;

    s->waiting[i] = *h;
    for (; i > 0 && is_before(&s->waiting[i], &s->waiting[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&s->waiting[i], &s->waiting[(i - 1) / 2]);
}

static struct waiting_line pop(struct stream *s)
{
    struct waiting_line top = s->waiting[0];
    size_t i = 0;

    s->waiting[0] = s->waiting[--s->nwaiting];
    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < s->nwaiting && is_before(&s->waiting[child + 1], &s->waiting[child]))
            child++;
        if (child >= s->nwaiting || !is_before(&s->waiting[child], &s->waiting[i]))
            return top;
        swap(&s->waiting[i], &s->waiting[child]);
        i = child;
    }
}

static bool hold(struct tg_audit_stored *all, struct stream *s, struct tg_str text,
                 const struct waiting_line *h)
{
    if (all->nwaiting == 0)
        all->end = 0;
    if (all->fd < 0 && !audit_stored_open_file(all))
        return false;
    s->waiting = grown(s->waiting, s->nwaiting, &s->waiting_cap, sizeof(*s->waiting));
    push(s, &(struct waiting_line){h->seq, h->continues, all->end, text.n, h->place});
    all->nwaiting++;
    return write_all(all, text);
}

/* --- giving --- */

static struct seen look_of(const struct tg_audit_stored *all, struct tg_str text, const char *chain)
{
    unsigned char digest[TG_SHA256];
    struct seen look;

    tg_hash_hmac(all->hash, &text, 1, digest);
    memcpy(look.text, digest, DIGEST);
    memcpy(look.chain, chain, DIGEST);
    return look;
}

static bool same_text(const struct seen *a, const struct seen *b)
{
    return memcmp(a->text, b->text, DIGEST) == 0;
}

/* True when that record was given before; now it is known. */
static bool continued_before(struct stream *s, const struct seen *look)
{
    for (size_t i = 0; i < s->ncontinued; i++)
        if (same_text(&s->continued[i], look))
            return true;
    s->continued = realloc(s->continued, (s->ncontinued + 1) * sizeof(*s->continued));
    CHECK(s->continued != NULL);
    s->continued[s->ncontinued++] = *look;
    return false;
}

/* True when the line was given before. One that is next, or behind a hole, is known now. */
static bool given_before(struct stream *s, uint64_t seq, const struct seen *look)
{
    if (seq < s->next)
        return seq >= s->base && same_text(&s->seen[seq - s->base], look);
    if (seq > s->next)
        s->base = seq;
    s->next = seq + 1;
    s->seen = grown(s->seen, seq - s->base, &s->cap, sizeof(*s->seen));
    s->seen[seq - s->base] = *look;
    return false;
}

static bool audit_stored_give(struct tg_audit_stored *all, struct stream *s, struct tg_str text,
                              const char *chain, const struct waiting_line *h)
{
    struct seen look = look_of(all, text, chain);
    bool twice = h->continues ? continued_before(s, &look) : given_before(s, h->seq, &look);

    return all->take(all->context, text, &h->place, twice);
}

/* Gives the first one that waits. */
static bool give_waiting(struct tg_audit_stored *all, struct stream *s)
{
    struct waiting_line h = pop(s);
    struct tg_audit_line line;

    all->nwaiting--;
    if (!read_text(all, &h))
        return false;
    CHECK(tg_audit_line_read(tg_buf_str(&all->text), &line));
    return audit_stored_give(all, s, tg_buf_str(&all->text), line.chain.p, &h);
}

static bool can_be_given(const struct stream *s, const struct waiting_line *h)
{
    return h->seq < s->next || (h->seq == s->next && !h->continues);
}

bool tg_audit_store(struct tg_audit_stored *all, struct tg_str text,
                    const struct tg_audit_line *line, const struct tg_audit_place *place)
{
    struct stream *s = find_or_add(all, line->stream);
    struct waiting_line h = {
        .seq = line->seq, .continues = tg_str_eq(line->event, TG_STR("continue")), .place = *place};

    h.place.rotated = false;
    h.place.file_index = 0;
    if (!can_be_given(s, &h))
        return hold(all, s, text, &h);
    if (!audit_stored_give(all, s, text, line->chain.p, &h))
        return false;
    while (s->nwaiting > 0 && can_be_given(s, &s->waiting[0]))
        if (!give_waiting(all, s))
            return false;
    return true;
}

bool tg_audit_stored_rest(struct tg_audit_stored *all)
{
    for (struct stream *s = all->first; s != NULL; s = s->behind)
        while (s->nwaiting > 0)
            if (!give_waiting(all, s))
                return false;
    return all->trouble == NULL;
}

bool tg_audit_stored_had(struct tg_audit_stored *all, struct tg_str stream, uint64_t seq,
                         const char *chain)
{
    const struct stream *s = audit_stored_find(all, stream);

    return s != NULL && seq >= s->base && seq < s->next &&
           memcmp(s->seen[seq - s->base].chain, chain, DIGEST) == 0;
}
