/* The values of directives: numbers, sizes, times, words, paths. Units live in one table. */
#include "base/chars.h"
#include "config/conf.h"

#include "base/check.h"

struct unit {
    enum tg_conf_kind kind;
    const char *suffix;
    int64_t factor;
};

/* Of each kind the largest first: tg_conf_write_value() takes the first that divides. The unit
 * without a suffix is the one nginx reads. */
static const struct unit units[] = {
    {TG_CONF_NUMBER, "", 1},
    {TG_CONF_SIZE, "g", 1 << 30},
    {TG_CONF_SIZE, "m", 1 << 20},
    {TG_CONF_SIZE, "k", 1 << 10},
    {TG_CONF_SIZE, "", 1},
    {TG_CONF_TIME, "d", 86400 * INT64_C(1000000)},
    {TG_CONF_TIME, "h", 3600 * INT64_C(1000000)},
    {TG_CONF_TIME, "m", 60 * INT64_C(1000000)},
    {TG_CONF_TIME, "s", 1000000},
    {TG_CONF_TIME, "ms", 1000},
    {TG_CONF_TIME, "", 1000000},
};

enum { UNITS = sizeof(units) / sizeof(units[0]) };

static const char *const nouns[] = {
    [TG_CONF_NUMBER] = "number", [TG_CONF_SIZE] = "size", [TG_CONF_TIME] = "time"};

static const struct unit *find_unit(enum tg_conf_kind kind, struct tg_str suffix)
{
    for (size_t i = 0; i < UNITS; i++) {
        struct tg_str known = tg_str_of(units[i].suffix);

        /* nginx takes "1M" and "1m" for a size, but times in small letters only. */
        if (units[i].kind == kind &&
            (kind == TG_CONF_SIZE ? tg_str_ieq(suffix, known) : tg_str_eq(suffix, known)))
            return &units[i];
    }
    return NULL;
}

void tg_conf_write_value(enum tg_conf_kind kind, int64_t value, struct tg_buf *out)
{
    CHECK(value >= 0);
    for (size_t i = 0; i < UNITS && value > 0; i++) {
        if (units[i].kind == kind && value % units[i].factor == 0) {
            tg_buf_u64(out, (uint64_t)(value / units[i].factor));
            tg_buf_puts(out, units[i].suffix);
            return;
        }
    }
    CHECK(value == 0);
    tg_buf_putc(out, '0');
}

/* False when `text` is no value of the kind or too large for any. */
static bool read_value(enum tg_conf_kind kind, struct tg_str text, int64_t *out)
{
    struct tg_str digits = {text.p, tg_chars_span(text, TG_CHAR_DIGIT)};
    const struct unit *unit;
    uint64_t count;

    unit = find_unit(kind, tg_str_skip(text, digits.n));
    return unit != NULL && tg_str_u64(digits, &count) &&
           !__builtin_mul_overflow(count, unit->factor, out);
}

/* The value as it may have been meant: "100MB" is 100m, "10sec" is 10s. Empty: who knows. */
static void guess_value(enum tg_conf_kind kind, struct tg_str text, int64_t min, int64_t max,
                        struct tg_buf *out)
{
    size_t digits = 0;
    int64_t value;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    for (size_t i = digits; i < text.n; i++)
        if (!((text.p[i] >= 'a' && text.p[i] <= 'z') || (text.p[i] >= 'A' && text.p[i] <= 'Z')))
            return;
    if (read_value(kind, text, &value))
        return;
    for (size_t n = text.n; --n > digits;)
        if (read_value(kind, (struct tg_str){text.p, n}, &value) && value >= min && value <= max) {
            tg_buf_puts(out, ": did you mean \"");
            tg_conf_write_value(kind, value, out);
            tg_buf_puts(out, "\"?");
            return;
        }
}

static bool value_error(struct tg_conf *c, const struct tg_conf_item *item, enum tg_conf_kind kind,
                        struct tg_str text, int64_t min, int64_t max)
{
    struct tg_buf range = {0};
    struct tg_buf hint = {0};

    if (text.n > 1)
        guess_value(kind, text, min, max, &hint);
    tg_buf_puts(&range, max == INT64_MAX ? "of at least " : "between ");
    tg_conf_write_value(kind, min, &range);
    if (max != INT64_MAX) {
        tg_buf_puts(&range, " and ");
        tg_conf_write_value(kind, max, &range);
    }
    tg_conf_error(c, item, "\"%s\" takes a %s %.*s, got \"%.*s\"%.*s", item->args[0].p, nouns[kind],
                  TG_STR_ARG(tg_buf_str(&range)), TG_STR_ARG(text), TG_STR_ARG(tg_buf_str(&hint)));
    tg_buf_end(&hint);
    tg_buf_end(&range);
    return false;
}

static bool value_take_value(struct tg_conf *c, const struct tg_conf_item *item,
                             enum tg_conf_kind kind, struct tg_str text, int64_t min, int64_t max,
                             int64_t *out)
{
    int64_t value;

    CHECK(min >= 0 && min <= max && item->nargs >= 1);
    if (!read_value(kind, text, &value) || value < min || value > max)
        return value_error(c, item, kind, text, min, max);
    *out = value;
    return true;
}

bool tg_conf_number(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                    int64_t min, int64_t max, int64_t *out)
{
    return value_take_value(c, item, TG_CONF_NUMBER, text, min, max, out);
}

bool tg_conf_size(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out)
{
    return value_take_value(c, item, TG_CONF_SIZE, text, min, max, out);
}

bool tg_conf_time(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  int64_t min, int64_t max, int64_t *out)
{
    return value_take_value(c, item, TG_CONF_TIME, text, min, max, out);
}

/* What people write who know other programs, or NULL when that is none of the words. */
static const char *meant_word(struct tg_str text, const char *const *words)
{
    static const char *const pairs[][2] = {
        {"true", "on"},        {"yes", "on"},       {"1", "on"},
        {"enabled", "on"},     {"false", "off"},    {"no", "off"},
        {"0", "off"},          {"none", "off"},     {"disabled", "off"},
        {"ssl", "tls"},        {"warning", "warn"}, {"audit", "dryrun"},
        {"dry_run", "dryrun"}, {"enforce", "deny"}, {"xff", "x-forwarded-for"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        for (size_t j = 0; tg_str_ieq(text, tg_str_of(pairs[i][0])) && words[j] != NULL; j++)
            if (strcmp(words[j], pairs[i][1]) == 0)
                return words[j];
    return tg_conf_nearest(text, words);
}

bool tg_conf_word(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                  const char *const *words, int *out)
{
    struct tg_buf list = {0};
    const char *meant;

    CHECK(words != NULL && words[0] != NULL);
    for (int i = 0; words[i] != NULL; i++) {
        if (tg_str_eq(text, tg_str_of(words[i]))) {
            *out = i + 1;
            tg_buf_end(&list);
            return true;
        }
        tg_buf_puts(&list, i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ");
        tg_buf_puts(&list, words[i]);
    }
    meant = meant_word(text, words);
    tg_conf_error(c, item, "\"%s\" takes %.*s, got \"%.*s\"%s%s%s", item->args[0].p,
                  TG_STR_ARG(tg_buf_str(&list)), TG_STR_ARG(text),
                  meant != NULL ? ": did you mean \"" : "", meant != NULL ? meant : "",
                  meant != NULL ? "\"?" : "");
    tg_buf_end(&list);
    return false;
}

struct tg_str tg_conf_path(struct tg_conf *c, struct tg_str name)
{
    if (name.n > 0 && name.p[0] == '/')
        return tg_arena_dup(c->arena, name);
    return tg_arena_printf(c->arena, "%s%.*s", c->prefix, TG_STR_ARG(name));
}
