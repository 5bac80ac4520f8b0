/*
 * Configuration text: whatever the bytes are, there is a tree or a problem; a tree printed and read
 * again prints the same; and applying it to tables of every kind of value ends well.
 */
#include "base/check.h"
#include "config/conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    bool flag;
    int64_t number;
    int word;
    struct tg_str text;
};

static const char *const words[] = {"red", "green", NULL};
static tg_conf_setter set_block;

#define FIELD(member) .offset = offsetof(struct values, member)

static const struct tg_directive rows[] = {
    {.name = "f", .contexts = TG_IN_MAIN, .kind = TG_CONF_FLAG, FIELD(flag)},
    {.name = "n", .contexts = UINT_MAX, .kind = TG_CONF_NUMBER, .max = INT64_MAX, FIELD(number)},
    {.name = "s", .contexts = UINT_MAX, .kind = TG_CONF_SIZE, .max = 1 << 30, FIELD(number)},
    {.name = "t", .contexts = UINT_MAX, .kind = TG_CONF_TIME, .max = 86400000000, FIELD(number)},
    {.name = "w", .contexts = TG_IN_SERVER, .kind = TG_CONF_ENUM, .words = words, FIELD(word)},
    {.name = "x", .contexts = UINT_MAX, .kind = TG_CONF_STRING, FIELD(text), .secret = true},
    {.name = "p", .contexts = UINT_MAX, .kind = TG_CONF_PATH, FIELD(text)},
    {.name = "b",
     .contexts = UINT_MAX,
     .kind = TG_CONF_CUSTOM,
     .set = set_block,
     .block = true,
     .repeat = true,
     .max_args = TG_CONF_ANY_ARGS},
    {.name = NULL},
};

static bool set_block(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    const struct tg_conf_table table = {rows, target};

    (void)d;
    return tg_conf_apply(c, TG_IN_SERVER, item->children, &table, 1);
}

static const struct tg_directive *const no_tables[] = {NULL};

static void check_problems(const struct tg_conf *c)
{
    for (const struct tg_conf_problem *p = c->problems; p != NULL; p = p->next)
        for (const char *at = p->text; *at != '\0'; at++)
            CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
    CHECK((c->problems != NULL) == (c->errors + c->warnings > 0));
}

/* Prints the text's tree; false when it has none. */
static bool print(struct tg_arena *arena, struct tg_str text, struct tg_buf *out)
{
    struct tg_conf c;
    const struct tg_conf_item *first;

    tg_conf_init(&c, arena, "/");
    first = tg_conf_parse_text(&c, "fuzz", text);
    CHECK(c.errors == 0 || first == NULL);
    check_problems(&c);
    tg_conf_dump(first, no_tables, out);
    return c.errors == 0;
}

static void apply(struct tg_arena *arena, struct tg_str text)
{
    struct values values = {0};
    const struct tg_conf_table table = {rows, &values};
    const struct tg_conf_item *first;
    struct tg_conf c;
    struct tg_buf out = {0};

    tg_conf_init(&c, arena, "/");
    first = tg_conf_parse_text(&c, "fuzz", text);
    CHECK(tg_conf_apply(&c, TG_IN_MAIN, first, &table, 1) == (c.errors == 0));
    check_problems(&c);
    CHECK(values.number >= 0 && values.word <= 2);
    tg_conf_dump(first, (const struct tg_directive *const[]){rows, NULL}, &out);
    tg_buf_end(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str text = {(const char *)data, size};
    struct tg_buf once = {0};
    struct tg_buf twice = {0};
    struct tg_arena arena;

    /* Files are not part of the input. */
    if (size > 0 && memmem(data, size, "include", 7) != NULL)
        return 0;
    tg_arena_init(&arena);
    if (print(&arena, text, &once)) {
        CHECK(print(&arena, tg_buf_str(&once), &twice));
        CHECK(tg_str_eq(tg_buf_str(&once), tg_buf_str(&twice)));
        apply(&arena, text);
    }
    tg_buf_end(&once);
    tg_buf_end(&twice);
    tg_arena_end(&arena);
    return 0;
}
