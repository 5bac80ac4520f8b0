/* The problems of a load: collected with their place, cleaned, bounded; and the nearest name. */
#include "config/conf.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

void tg_conf_init(struct tg_conf *c, struct tg_arena *arena, const char *prefix)
{
    CHECK(arena != NULL && prefix != NULL);
    CHECK(tg_str_ends(tg_str_of(prefix), TG_STR("/")));
    *c = (struct tg_conf){.arena = arena, .prefix = prefix};
    c->last_problem = &c->problems;
}

struct tg_conf_shared {
    const void *owner;
    void *value;
    struct tg_conf_shared *next;
};

void **tg_conf_shared(struct tg_conf *c, const void *owner)
{
    struct tg_conf_shared *s = c->shared;

    while (s != NULL && s->owner != owner)
        s = s->next;
    if (s == NULL) {
        s = tg_arena_zalloc(c->arena, 1, sizeof(*s));
        *s = (struct tg_conf_shared){owner, NULL, c->shared};
        c->shared = s;
    }
    return &s->value;
}

/* Cuts a text that vsnprintf had to end in the middle, at a character's border. */
static void problem_cut(char text[TG_CONF_MAX_TEXT])
{
    size_t n = TG_CONF_MAX_TEXT - 4;

    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(text + n, "...", 4);
}

/* Counts a problem, and keeps it while there is room: TEXT in FILE:LINE TAIL. */
static void problem_record(struct tg_conf *c, enum tg_conf_problem_level level,
                           const struct tg_conf_item *at, char *text, const char *tail)
{
    struct tg_conf_problem *problem;
    struct tg_str line;

    CHECK(c->last_problem != NULL && *c->last_problem == NULL);
    if (level == TG_CONF_EMERG)
        c->errors++;
    else
        c->warnings++;
    if (c->errors + c->warnings > TG_CONF_MAX_PROBLEMS)
        return;
    tg_utf8_flatten(text, strlen(text));
    line = at == NULL ? tg_arena_printf(c->arena, "%s%s", text, tail)
                      : tg_arena_printf(c->arena, "%s in %s:%u%s", text, at->file, at->line, tail);
    problem = tg_arena_zalloc(c->arena, 1, sizeof(*problem));
    problem->level = level;
    problem->text = line.p;
    *c->last_problem = problem;
    c->last_problem = &problem->next;
}

static void record_format(struct tg_conf *c, enum tg_conf_problem_level level,
                          const struct tg_conf_item *at, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void record_format(struct tg_conf *c, enum tg_conf_problem_level level,
                          const struct tg_conf_item *at, const char *format, va_list args)
{
    char text[TG_CONF_MAX_TEXT];
    int n = vsnprintf(text, sizeof(text), format, args);

    CHECK(n >= 0);
    if ((size_t)n >= sizeof(text))
        problem_cut(text);
    problem_record(c, level, at, text, "");
}

void tg_conf_error(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_format(c, TG_CONF_EMERG, at, format, args);
    va_end(args);
}

void tg_conf_warn(struct tg_conf *c, const struct tg_conf_item *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_format(c, TG_CONF_WARN, at, format, args);
    va_end(args);
}

/* One slip in three letters, and no more than three, is still a typo. */
static size_t likely_distance(size_t n)
{
    size_t most = (n + 2) / 3;

    return most > 3 ? 3 : most;
}

const char *tg_conf_nearest(struct tg_str name, const char *const *names)
{
    size_t least = likely_distance(name.n) + 1;
    const char *nearest = NULL;

    for (; *names != NULL; names++) {
        struct tg_str known = tg_str_of(*names);
        size_t distance = tg_str_ieq(name, known) ? 0 : tg_str_distance(name, known);

        /* A name without a letter in common is no typo, however short. */
        if (distance < least && distance < known.n && distance < name.n) {
            least = distance;
            nearest = *names;
        }
    }
    return nearest;
}

/* unknown WHAT "NAME" in FILE:LINE TAIL */
static void record_unknown(struct tg_conf *c, const struct tg_conf_item *at, const char *what,
                           struct tg_str name, const char *tail)
{
    char text[TG_CONF_MAX_TEXT];

    if (snprintf(text, sizeof(text), "unknown %s \"%.*s\"", what, TG_STR_ARG(name)) >=
        (int)sizeof(text))
        problem_cut(text);
    problem_record(c, TG_CONF_EMERG, at, text, tail);
}

void tg_conf_unknown(struct tg_conf *c, const struct tg_conf_item *at, const char *what,
                     struct tg_str name, const char *const *names)
{
    char tail[128] = "";
    const char *nearest = tg_conf_nearest(name, names);

    if (nearest != NULL)
        snprintf(tail, sizeof(tail), ", did you mean \"%s\"?", nearest);
    record_unknown(c, at, what, name, tail);
}

bool tg_conf_foreign(struct tg_conf *c, const struct tg_conf_item *item)
{
    const struct tg_conf_hint *h = c->foreign;
    char tail[128];

    while (h != NULL && h->name != NULL && !tg_str_eq(item->args[0], tg_str_of(h->name)))
        h++;
    if (h == NULL || h->name == NULL)
        return false;
    snprintf(tail, sizeof(tail), ": %s", h->hint);
    record_unknown(c, item, "directive", item->args[0], tail);
    return true;
}
