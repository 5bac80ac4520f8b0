/* The parser, the tables and the printer, on texts in memory. */
#include "base/check.h"
#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct target {
    bool flag;
    int64_t number;
    int64_t size;
    int64_t time;
    int word;
    struct tg_str text;
    struct tg_str path;
    unsigned customs;
    unsigned blocks;
    int64_t number_in_block; /* what `number` was when the block was applied */
};

static bool set_custom(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    (void)c;
    (void)item;
    (void)d;
    ((struct target *)target)->customs++;
    return true;
}

static bool set_block(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d);

static const char *const words[] = {"red", "green", NULL};

#define FIELD(member) .offset = offsetof(struct target, member), .help = "Help."

static const struct tg_directive rows[] = {
    {.name = "flag", .contexts = TG_IN_MAIN, .kind = TG_CONF_FLAG, FIELD(flag), .fallback = "on"},
    {.name = "number",
     .contexts = TG_IN_MAIN | TG_IN_SERVER,
     .kind = TG_CONF_NUMBER,
     .min = 5,
     .max = 50,
     FIELD(number),
     .fallback = "7"},
    {.name = "size",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_SIZE,
     .min = 1024,
     .max = 3 << 20,
     FIELD(size)},
    {.name = "time",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_TIME,
     .min = 500000,
     .max = INT64_C(172800000000),
     FIELD(time)},
    {.name = "least",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_NUMBER,
     .min = 1,
     .max = INT64_MAX,
     FIELD(number)},
    {.name = "word", .contexts = TG_IN_MAIN, .kind = TG_CONF_ENUM, .words = words, FIELD(word)},
    {.name = "text", .contexts = TG_IN_MAIN, .kind = TG_CONF_STRING, .secret = true, FIELD(text)},
    {.name = "path", .contexts = TG_IN_MAIN, .kind = TG_CONF_PATH, FIELD(path)},
    {.name = "none",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .syntax = "",
     .set = set_custom,
     .max_args = TG_CONF_NO_ARGS,
     .help = "Help."},
    {.name = "some",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = set_custom,
     .repeat = true,
     .min_args = 2,
     .max_args = 3,
     .syntax = "A B [C]",
     .help = "Help."},
    {.name = "any",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = set_custom,
     .min_args = 1,
     .max_args = TG_CONF_ANY_ARGS,
     .help = "Help."},
    {.name = "block",
     .contexts = TG_IN_MAIN,
     .kind = TG_CONF_CUSTOM,
     .set = set_block,
     .block = true,
     .repeat = true,
     .max_args = TG_CONF_NO_ARGS,
     .help = "Help."},
    {.name = NULL},
};

static bool set_block(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                      const struct tg_directive *d)
{
    struct target *outer = target;
    struct target inner = *outer;
    const struct tg_conf_table table = {rows, &inner};

    (void)d;
    outer->blocks++;
    outer->number_in_block = inner.number;
    return tg_conf_apply(c, TG_IN_SERVER, item->children, &table, 1);
}

struct load {
    struct tg_arena arena;
    struct tg_conf c;
    struct target target;
};

static void start(struct load *l)
{
    *l = (struct load){0};
    tg_arena_init(&l->arena);
    tg_conf_init(&l->c, &l->arena, "/prefix/");
}

static const struct tg_conf_item *parse(struct load *l, const char *text)
{
    start(l);
    return tg_conf_parse_text(&l->c, "f", tg_str_of(text));
}

static void apply(struct load *l, const char *text)
{
    const struct tg_conf_item *first = parse(l, text);
    const struct tg_conf_table table = {rows, &l->target};

    tg_conf_defaults(&l->c, TG_IN_MAIN, &table);
    if (l->c.errors == 0)
        (void)tg_conf_apply(&l->c, TG_IN_MAIN, first, &table, 1);
}

/* --- words and blocks --- */

/* Prints a tree so that a table can hold it: (name,arg){children}. */
static void print(const struct tg_conf_item *item, struct tg_buf *out)
{
    for (; item != NULL; item = item->next) {
        for (unsigned i = 0; i < item->nargs; i++) {
            tg_buf_puts(out, i == 0 ? "(" : ",");
            tg_buf_add(out, item->args[i]);
        }
        tg_buf_putc(out, ')');
        if (item->block) {
            tg_buf_putc(out, '{');
            print(item->children, out);
            tg_buf_putc(out, '}');
        }
    }
}

static const struct {
    const char *text;
    const char *tree;
} trees[] = {
    {"", ""},
    {" \t\r\n# a comment; with { a brace", ""},
    {"a;", "(a)"},
    {"a b c;d;", "(a,b,c)(d)"},
    {"a{b;}", "(a){(b)}"},
    {"a b {}c;", "(a,b){}(c)"},
    {"a { b { c d; } e; } f;", "(a){(b){(c,d)}(e)}(f)"},
    {"a /x/{id}/y{b;}", "(a,/x/{id}/y){(b)}"},
    {"a /{_x1}{b;}", "(a,/{_x1}){(b)}"},
    {"a x{1b};", NULL},
    {"a b#c;", "(a,b#c)"},
    {"a b\n#c;\nd;", "(a,b,d)"},
    {"a \"b c\" 'd;{}' \"\";", "(a,b c,d;{},)"},
    {"a \"it's\" 'say \"x\"';", "(a,it's,say \"x\")"},
    {"a \"\\\"\\\\\\'\";", "(a,\"\\')"},
    {"a \"\\n\\t\\r\";", "(a,\n\t\r)"},
    {"a \"^\\d+\\.x\\{2\\}$\" \\d;", "(a,^\\d+\\.x\\{2\\}$,\\d)"},
    {"a b\\ c\\;\\{\\}\\#;", "(a,b c;{}#)"},
    {"a b\\", NULL},
    {"a \"two\nlines\";", "(a,two\nlines)"},
    {"a \"b\"{c;}", "(a,b){(c)}"},
    {"a \"b\"c;", NULL},
    {"a 视觉团队;", "(a,视觉团队)"},
    {"\xef\xbb\xbf"
     "a;",
     "(a)"},
    {"'\xef\xbb\xbf';", "(\xef\xbb\xbf)"},
    {"a", NULL},
    {"a b }", NULL},
    {"}", NULL},
    {";", NULL},
    {"{}", NULL},
    {"a {", NULL},
    {"a \"b;", NULL},
    {"a \xc3;", NULL},
    {"a \xed\xa0\x80;", NULL},
    {"a \x7f;", NULL},
    {"include /no/such/file;", NULL},
    {"include a b;", NULL},
};

static void texts_become_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        struct load l;
        struct tg_buf got = {0};
        const struct tg_conf_item *first = parse(&l, trees[i].text);

        print(first, &got);
        assert_int_equal(l.c.errors != 0, trees[i].tree == NULL);
        if (!tg_str_eq(tg_buf_str(&got), tg_str_of(trees[i].tree)))
            fail_msg("%s gives %.*s", trees[i].text, TG_STR_ARG(tg_buf_str(&got)));
        tg_buf_end(&got);
        tg_arena_end(&l.arena);
    }
}

static void items_know_their_lines(void **state)
{
    struct load l;
    const struct tg_conf_item *a = parse(&l, "\n\na 'x\ny'\n  z; b {\nc; }");

    (void)state;
    assert_int_equal(a->line, 3);
    assert_int_equal(a->lines[1], 3);
    assert_int_equal(a->lines[2], 5);
    assert_int_equal(a->next->line, 5);
    assert_int_equal(a->next->children->line, 6);
    assert_string_equal(a->file, "f");
    tg_arena_end(&l.arena);
}

static void a_dump_reads_as_the_same_tree(void **state)
{
    static const struct tg_directive *const tables[] = {NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        struct load once;
        struct load twice;
        struct tg_buf text = {0};
        struct tg_buf got = {0};

        tg_conf_dump(parse(&once, trees[i].text), tables, &text);
        start(&twice);
        print(tg_conf_parse_text(&twice.c, "f", tg_buf_str(&text)), &got);
        assert_int_equal(twice.c.errors, 0);
        assert_true(tg_str_eq(tg_buf_str(&got), tg_str_of(trees[i].tree)));
        tg_buf_end(&text);
        tg_buf_end(&got);
        tg_arena_end(&once.arena);
        tg_arena_end(&twice.arena);
    }
}

static void a_dump_masks_secrets(void **state)
{
    static const struct tg_directive *const tables[] = {rows, NULL};
    struct load l;
    struct tg_buf text = {0};

    (void)state;
    tg_conf_dump(parse(&l, "block { text secret 'two words'; } word \"a b\";"), tables, &text);
    assert_true(
        tg_str_eq(tg_buf_str(&text), TG_STR("block {\n    text *** ***;\n}\nword \"a b\";\n")));
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
}

/* --- the environment --- */

static const struct {
    const char *text;
    const char *tree;    /* the dump of it; NULL: there is a problem */
    const char *problem; /* the first one */
} variables[] = {
    {"a ${TG_ONE};", "a one;\n", NULL},
    {"a x${TG_ONE}/{id}${TG_ONE}.y;", "a xone/{id}one.y;\n", NULL},
    {"a \"${TG_ONE} ${TG_BLANKS}\" b;", "a \"one  two  \" b;\n", NULL},
    {"a ${TG_BLANKS};", "a \" two  \";\n", NULL},
    {"a '${TG_ONE}';", "a '${TG_ONE}';\n", NULL},
    {"a '${it\\'s}';", "a '${it\\'s}';\n", NULL},
    {"a ${TG_NONE:-x};", "a x;\n", NULL},
    {"a ${TG_NONE:-};", "a \"\";\n", NULL},
    {"a ${TG_NONE:-1;2 3#4};", "a \"1;2 3#4\";\n", NULL},
    {"a ${TG_EMPTY:-x} \"${TG_EMPTY}\";", "a x \"\";\n", NULL},
    {"a ${TG_ONE:-x};", "a one;\n", NULL},
    {"a ${TG_NESTED};", "a '${TG_ONE}';\n", NULL},
    {"a ${TG_MARKS};", "a \"\\\";}{#\";\n", NULL},
    {"a ${TG_ONE} { b ${TG_ONE}; }", "a one {\n    b one;\n}\n", NULL},
    {"a $ $$ x$;", "a $ $$ x$;\n", NULL},
    {"a;\nb ${TG_NONE};", NULL,
     "\"TG_NONE\" is not set in the environment, and has no default in f:2"},
    {"a ${TG_BYTE};", NULL,
     "the environment's \"TG_BYTE\" holds byte 0xff, which is no text in f:1"},
    {"a ${TG_LINES};", NULL,
     "the environment's \"TG_LINES\" holds byte 0x0a, which is no text in f:1"},
#define MALFORMED                                                                                  \
    "\"${\" begins ${NAME} or ${NAME:-DEFAULT}, taken from the environment; in single quotes it "  \
    "stands for itself in f:1"
    {"a ${};", NULL, MALFORMED},
    {"a ${1};", NULL, MALFORMED},
    {"a ${TG_ONE;", NULL, MALFORMED},
    {"a ${TG_ONE-x};", NULL, MALFORMED},
    {"a ${TG_ONE:x};", NULL, MALFORMED},
    {"a ${TG-ONE};", NULL, MALFORMED},
    {"a ${TG_ONE:-${TG_ONE}};", NULL, MALFORMED},
    {"a \"${TG_ONE:-\"};", NULL, MALFORMED},
    {"a ${TG_ONE:-x\n};", NULL, MALFORMED},
};

static void set_environment(void)
{
    static const char *const set[][2] = {
        {"TG_ONE", "one"},          {"TG_BLANKS", " two  "}, {"TG_EMPTY", ""},
        {"TG_NESTED", "${TG_ONE}"}, {"TG_BYTE", "\xff"},     {"TG_LINES", "a\n"},
        {"TG_MARKS", "\";}{#"},
    };

    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
        assert_int_equal(setenv(set[i][0], set[i][1], 1), 0);
    unsetenv("TG_NONE");
}

static const struct tg_conf_item *parse_with_environment(struct load *l, struct tg_str text)
{
    start(l);
    l->c.environment = true;
    return tg_conf_parse_text(&l->c, "f", text);
}

static void values_come_from_the_environment(void **state)
{
    static const struct tg_directive *const tables[] = {NULL};

    (void)state;
    set_environment();
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        struct load once, twice;
        struct tg_buf text = {0}, again = {0};
        const char *problem;

        tg_conf_dump(parse_with_environment(&once, tg_str_of(variables[i].text)), tables, &text);
        problem = once.c.problems != NULL ? once.c.problems->text : "";
        if (strcmp(problem, variables[i].problem != NULL ? variables[i].problem : "") != 0)
            fail_msg("%s: %s", variables[i].text, problem);
        if (!tg_str_eq(tg_buf_str(&text), tg_str_of(variables[i].tree)))
            fail_msg("%s gives %.*s", variables[i].text, TG_STR_ARG(tg_buf_str(&text)));
        tg_conf_dump(parse_with_environment(&twice, tg_buf_str(&text)), tables, &again);
        assert_true(tg_str_eq(tg_buf_str(&text), tg_buf_str(&again)));
        tg_buf_end(&text);
        tg_buf_end(&again);
        tg_arena_end(&once.arena);
        tg_arena_end(&twice.arena);
    }
}

static void all_that_is_unset_is_told_at_once(void **state)
{
    struct load l;

    (void)state;
    parse_with_environment(&l, TG_STR("a ${TG_NO1};\nb \"${TG_NO2} ${TG_NO3:-x}\";"));
    assert_int_equal(l.c.errors, 2);
    tg_arena_end(&l.arena);
}

static void names_and_other_texts_take_nothing_from_it(void **state)
{
    static const struct tg_directive *const tables[] = {NULL};
    struct load l;
    struct tg_buf text = {0};

    (void)state;
    set_environment();
    tg_conf_dump(parse_with_environment(&l, TG_STR("${TG_ONE} x;")), tables, &text);
    assert_true(tg_str_eq(tg_buf_str(&text), TG_STR("'${TG_ONE}' x;\n")));
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
    tg_conf_dump(parse(&l, "a ${TG_ONE};"), tables, &text); /* as a policy is read */
    assert_true(tg_str_eq(tg_buf_str(&text), TG_STR("a '${TG_ONE}';\n")));
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
}

static void what_the_environment_adds_is_bounded(void **state)
{
    struct load l;
    struct tg_buf value = {0}, text = {0};

    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        tg_buf_putc(&value, 'x');
    tg_buf_putc(&value, '\0');
    assert_int_equal(setenv("TG_LONG", value.p, 1), 0);
    for (unsigned i = 0; i < 50; i++)
        tg_buf_puts(&text, "a ${TG_LONG};");
    parse_with_environment(&l, tg_buf_str(&text));
    assert_string_equal(l.c.problems->text, "what the environment adds is larger than 4m in f:1");
    unsetenv("TG_LONG");
    tg_buf_end(&value);
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
}

static void secrets_of_the_environment_are_masked(void **state)
{
    static const struct tg_directive *const tables[] = {rows, NULL};
    struct load l;
    struct tg_buf text = {0};

    (void)state;
    set_environment();
    tg_conf_dump(parse_with_environment(&l, TG_STR("text ${TG_ONE}; path ${TG_ONE};")), tables,
                 &text);
    assert_true(tg_str_eq(tg_buf_str(&text), TG_STR("text ***;\npath one;\n")));
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
}

/* --- values --- */

static const struct {
    const char *text;
    const char *problem; /* of the one there is; NULL: none */
} values[] = {
    {"number 5;", NULL},
    {"number 50;", NULL},
    {"number 4;", "\"number\" takes a number between 5 and 50, got \"4\" in f:1"},
    {"number 51;", "\"number\" takes a number between 5 and 50, got \"51\" in f:1"},
    {"number +7;", "\"number\" takes a number between 5 and 50, got \"+7\" in f:1"},
    {"number 07;", "\"number\" takes a number between 5 and 50, got \"07\" in f:1"},
    {"number 7.0;", "\"number\" takes a number between 5 and 50, got \"7.0\" in f:1"},
    {"number 18446744073709551623;",
     "\"number\" takes a number between 5 and 50, got \"18446744073709551623\" in f:1"},
    {"least 9223372036854775807;", NULL},
    {"least 9223372036854775808;",
     "\"least\" takes a number of at least 1, got \"9223372036854775808\" in f:1"},
    {"least 0;", "\"least\" takes a number of at least 1, got \"0\" in f:1"},
    {"size 1024;", NULL},
    {"size 1k;", NULL},
    {"size 3M;", NULL},
    {"size 1023;", "\"size\" takes a size between 1k and 3m, got \"1023\" in f:1"},
    {"size 3145729;", "\"size\" takes a size between 1k and 3m, got \"3145729\" in f:1"},
    {"size 9223372036854775807k;",
     "\"size\" takes a size between 1k and 3m, got \"9223372036854775807k\" in f:1"},
    {"size k;", "\"size\" takes a size between 1k and 3m, got \"k\" in f:1"},
    {"time 500ms;", NULL},
    {"time 1;", NULL},
    {"time 48h;", NULL},
    {"time 2d;", NULL},
    {"time 499ms;", "\"time\" takes a time between 500ms and 2d, got \"499ms\" in f:1"},
    {"time 172801s;", "\"time\" takes a time between 500ms and 2d, got \"172801s\" in f:1"},
    {"time 1m30s;", "\"time\" takes a time between 500ms and 2d, got \"1m30s\" in f:1"},
    {"word red;", NULL},
    {"word blue;", "\"word\" takes red or green, got \"blue\" in f:1"},
    {"flag on;", NULL},
    {"flag 1;", "\"flag\" takes on or off, got \"1\": did you mean \"on\"? in f:1"},
    {"none;", NULL},
    {"none x;", "\"none\" takes no arguments, got 1 in f:1"},
    {"some a b;", NULL},
    {"some a b c;some d e;", NULL},
    {"some a;", "\"some\" takes 2 to 3 arguments, got 1 in f:1"},
    {"some a b c d;", "\"some\" takes 2 to 3 arguments, got 4 in f:1"},
    {"any a b c d e f g;", NULL},
    {"any;", "\"any\" takes 1 or more arguments, got 0 in f:1"},
    {"word;", "\"word\" takes 1 argument, got 0 in f:1"},
    {"word red\nsize 1k;", "\";\" is missing behind \"red\" in f:1"},
    {"\nblock;", "\"block\" takes a block in braces, not \";\" in f:2"},
    {"word { }", "\"word\" takes no block, it ends with \";\" in f:1"},
    {"word red;\nword red;", "\"word\" stands in f:1 already, and again in f:2"},
    {"wrd red;", "unknown directive \"wrd\" in f:1, did you mean \"word\"?"},
    {"xyzzy;", "unknown directive \"xyzzy\" in f:1"},
    {"\"two\\nlines\";", "unknown directive \"two?lines\" in f:1"},
    {"block { word red; }", "\"word\" is not allowed in \"server\", it belongs in \"main\" in f:1"},
    {"block { number 51; }", "\"number\" takes a number between 5 and 50, got \"51\" in f:1"},
};

static void values_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct load l;

        apply(&l, values[i].text);
        if (values[i].problem == NULL && l.c.problems != NULL)
            fail_msg("%s: %s", values[i].text, l.c.problems->text);
        if (values[i].problem != NULL) {
            assert_int_equal(l.c.errors, 1);
            assert_string_equal(l.c.problems->text, values[i].problem);
        }
        tg_arena_end(&l.arena);
    }
}

static void values_arrive(void **state)
{
    struct load l;

    (void)state;
    apply(&l, "flag off; size 2k; time 3s; word green; text 'a b'; path x; none; some 1 2; any 1;"
              "block { } block { number 9; } number 8;");
    assert_int_equal(l.c.errors, 0);
    assert_false(l.target.flag);
    assert_int_equal(l.target.number, 8);
    assert_int_equal(l.target.size, 2048);
    assert_int_equal(l.target.time, 3000000);
    assert_int_equal(l.target.word, 2);
    assert_string_equal(l.target.text.p, "a b");
    assert_string_equal(l.target.path.p, "/prefix/x");
    assert_int_equal(l.target.customs, 3);
    assert_int_equal(l.target.blocks, 2);
    assert_int_equal(l.target.number_in_block, 8);
    tg_arena_end(&l.arena);
}

static void defaults_are_written(void **state)
{
    struct load l;

    (void)state;
    apply(&l, "path /absolute;");
    assert_true(l.target.flag);
    assert_int_equal(l.target.number, 7);
    assert_int_equal(l.target.size, 0);
    assert_string_equal(l.target.path.p, "/absolute");
    tg_arena_end(&l.arena);
}

static void values_are_written_in_the_largest_unit(void **state)
{
    static const struct {
        enum tg_conf_kind kind;
        int64_t value;
        const char *text;
    } cases[] = {
        {TG_CONF_NUMBER, 1024, "1024"},  {TG_CONF_SIZE, 1024, "1k"},
        {TG_CONF_SIZE, 1025, "1025"},    {TG_CONF_SIZE, 1 << 30, "1g"},
        {TG_CONF_TIME, 0, "0"},          {TG_CONF_TIME, 1500000, "1500ms"},
        {TG_CONF_TIME, 60000000, "1m"},  {TG_CONF_TIME, INT64_C(86400000000), "1d"},
        {TG_CONF_TIME, 90000000, "90s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tg_buf text = {0};

        tg_conf_write_value(cases[i].kind, cases[i].value, &text);
        assert_true(tg_str_eq(tg_buf_str(&text), tg_str_of(cases[i].text)));
        tg_buf_end(&text);
    }
}

/* --- problems --- */

static void the_nearest_name_is_a_likely_typo(void **state)
{
    static const char *const names[] = {"keepalive", "keepalive_timeout", "tls", "at", "in", NULL};
    static const struct {
        const char *name;
        const char *nearest;
    } cases[] = {
        {"keepalve", "keepalive"},
        {"KeepAlive", "keepalive"},
        {"keepalive_timout", "keepalive_timeout"},
        {"tl", "tls"},
        {"ttls", "tls"},
        {"x", NULL},
        {"on", "in"},
        {"zz", NULL},
        {"location", NULL},
        {"", NULL},
        {"policies", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *nearest = tg_conf_nearest(tg_str_of(cases[i].name), names);

        if ((nearest == NULL) != (cases[i].nearest == NULL) ||
            (nearest != NULL && strcmp(nearest, cases[i].nearest) != 0))
            fail_msg("\"%s\" is near \"%s\"", cases[i].name, nearest != NULL ? nearest : "nothing");
    }
}

static void problems_are_bounded(void **state)
{
    struct load l;
    struct tg_buf text = {0};
    unsigned kept = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        tg_buf_printf(&text, "%s%0*u;", "unknown", i == 0 ? 5000 : 3, i);
    tg_buf_putc(&text, '\0');
    apply(&l, text.p);
    assert_int_equal(l.c.errors, 300);
    assert_true(strlen(l.c.problems->text) < TG_CONF_MAX_TEXT + 10);
    assert_true(tg_str_ends(tg_str_of(l.c.problems->text), TG_STR("... in f:1")));
    for (const struct tg_conf_problem *p = l.c.problems; p != NULL; p = p->next)
        kept++;
    assert_int_equal(kept, TG_CONF_MAX_PROBLEMS);
    tg_buf_end(&text);
    tg_arena_end(&l.arena);
}

static void warnings_are_no_errors(void **state)
{
    struct load l;
    const struct tg_conf_item *item = parse(&l, "a;");

    (void)state;
    tg_conf_warn(&l.c, item, "odd \"%s\"", "thing");
    tg_conf_error(&l.c, NULL, "bad\n\xff");
    assert_int_equal(l.c.warnings, 1);
    assert_int_equal(l.c.errors, 1);
    assert_int_equal(l.c.problems->level, TG_CONF_WARN);
    assert_string_equal(l.c.problems->text, "odd \"thing\" in f:1");
    assert_string_equal(l.c.problems->next->text, "bad??");
    tg_arena_end(&l.arena);
}

static void the_reference_tells_of_each_row(void **state)
{
    static const char *const parts[] = {
        "## Title\n\n### flag\n\n    flag on | off;\n\nIn: main, default: `on`.\n\nHelp.\n\n",
        "    number NUMBER;\n\nIn: main, server, default: `7`, range: 5 to 50.\n",
        "    size SIZE;\n\nIn: main, range: 1k to 3m.\n",
        "    least NUMBER;\n\nIn: main, range: 1 or more.\n",
        "    word red | green;\n",
        "    none;\n",
        "    some A B [C];\n\nIn: main, may be repeated.\n",
        "    block { ... }\n",
    };
    struct tg_buf text = {0};

    (void)state;
    tg_conf_reference("Title", rows, &text);
    tg_buf_putc(&text, '\0');
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(text.p, parts[i]) == NULL)
            fail_msg("not in the reference: %s", parts[i]);
    tg_buf_end(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_trees),
        cmocka_unit_test(items_know_their_lines),
        cmocka_unit_test(a_dump_reads_as_the_same_tree),
        cmocka_unit_test(a_dump_masks_secrets),
        cmocka_unit_test(values_come_from_the_environment),
        cmocka_unit_test(all_that_is_unset_is_told_at_once),
        cmocka_unit_test(names_and_other_texts_take_nothing_from_it),
        cmocka_unit_test(what_the_environment_adds_is_bounded),
        cmocka_unit_test(secrets_of_the_environment_are_masked),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(defaults_are_written),
        cmocka_unit_test(values_are_written_in_the_largest_unit),
        cmocka_unit_test(the_nearest_name_is_a_likely_typo),
        cmocka_unit_test(problems_are_bounded),
        cmocka_unit_test(warnings_are_no_errors),
        cmocka_unit_test(the_reference_tells_of_each_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
