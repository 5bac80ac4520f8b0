/* Edits: what is spliced where, the patch, and the same for random edits of random documents. */
#include "json/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct tg_json_limits limits = {TG_JSON_MAX_DEPTH, 1000000};

static void must_parse(struct tg_arena *arena, struct tg_str text, struct tg_doc *d)
{
    struct tg_json_fault fault;

    if (!tg_doc_parse(d, arena, text, &limits, &fault))
        fail_msg("%.*s: %s at %u", TG_STR_ARG(text), fault.message, fault.offset);
}

static uint32_t name_of(const struct tg_doc *d, const char *pointer)
{
    uint32_t value = tg_doc_find(d, tg_str_of(pointer));

    assert_int_not_equal(value, TG_NONE);
    return d->node[value].parent;
}

/* One command: "-POINTER" removes, "+POINTER" adds member "z" with 7 to an object, "=POINTER"
 * replaces by "R", "@POINTER" renames to "n". */
static void apply(struct tg_doc *d, const char *command)
{
    const char *pointer = command + 1;

    switch (command[0]) {
    case '-':
        tg_doc_remove(d, name_of(d, pointer), "test");
        return;
    case '+':
        (void)tg_doc_add(d, tg_doc_find(d, tg_str_of(pointer)), TG_STR("z"), TG_NUMBER, TG_STR("7"),
                         "test");
        return;
    case '=':
        tg_doc_replace(d, tg_doc_find(d, tg_str_of(pointer)), TG_STRING, TG_STR("\"R\""), "test");
        return;
    case '@':
        tg_doc_rename(d, name_of(d, pointer), TG_STR("n"), "test");
        return;
    default:
        fail();
    }
}

#define ABC "{ \"a\": 1, \"b\": [2], \"c\": 3 }"

static const struct {
    const char *text;
    const char *commands[6];
    const char *result;
} rows[] = {
    {ABC, {NULL}, ABC},
    {ABC, {"-/a"}, "{ \"b\": [2], \"c\": 3 }"},
    {ABC, {"-/b"}, "{ \"a\": 1, \"c\": 3 }"},
    {ABC, {"-/c"}, "{ \"a\": 1, \"b\": [2] }"},
    {ABC, {"-/a", "-/b"}, "{ \"c\": 3 }"},
    {ABC, {"-/b", "-/a"}, "{ \"c\": 3 }"},
    {ABC, {"-/b", "-/c"}, "{ \"a\": 1 }"},
    {ABC, {"-/c", "-/b"}, "{ \"a\": 1 }"},
    {ABC, {"-/a", "-/c"}, "{ \"b\": [2] }"},
    {ABC, {"-/a", "-/b", "-/c"}, "{  }"},
    {ABC, {"-/c", "-/b", "-/a"}, "{  }"},
    {ABC, {"-/c", "+"}, "{ \"a\": 1, \"b\": [2], \"z\": 7 }"},
    {ABC, {"+", "-/c"}, "{ \"a\": 1, \"b\": [2], \"z\": 7 }"},
    {ABC, {"+", "-/z"}, ABC},
    {ABC, {"-/a", "-/b", "-/c", "+"}, "{ \"z\": 7 }"},
    {ABC, {"+", "-/a", "-/b", "-/c"}, "{ \"z\": 7 }"},
    {ABC, {"=/b/0", "-/b"}, "{ \"a\": 1, \"c\": 3 }"},
    {ABC, {"=/b/0", "@/b", "=/a"}, "{ \"a\": \"R\", \"n\": [\"R\"], \"c\": 3 }"},
    {ABC, {"=/a", "=/a"}, "{ \"a\": \"R\", \"b\": [2], \"c\": 3 }"},
    {ABC, {"@/a", "-/n"}, "{ \"b\": [2], \"c\": 3 }"},
    {ABC, {"+", "=/z", "@/z"}, "{ \"a\": 1, \"b\": [2], \"c\": 3, \"n\": \"R\" }"},
    {"{}", {"+"}, "{\"z\":7}"},
    {" { } \n", {"+"}, " {\"z\":7 } \n"},
    {"{\"a\":1}", {"-/a"}, "{}"},
    {"{\"a\":1}", {"+"}, "{\"a\":1,\"z\":7}"},
    {"{\"a\" : 1}", {"+"}, "{\"a\" : 1,\"z\" : 7}"},
    {"{\n  \"a\": 1\n}", {"+"}, "{\n  \"a\": 1,\n  \"z\": 7\n}"},
    {"{\n  \"a\": 1\n}", {"-/a", "+"}, "{\n  \"z\": 7\n}"},
    {"{\"a\" : 1\t,\r\n\"b\" :2 , \"c\":3}", {"-/b"}, "{\"a\" : 1 , \"c\":3}"},
    {"{\"o\":{\"p\":{}}}", {"+/o/p", "+/o", "+"}, "{\"o\":{\"p\":{\"z\":7},\"z\":7},\"z\":7}"},
    {"{\"o\":{\"p\":{}}}", {"+", "+/o", "+/o/p"}, "{\"o\":{\"p\":{\"z\":7},\"z\":7},\"z\":7}"},
    {"{\"o\":{\"p\":{}},\"q\":1}", {"+/o/p", "-/o"}, "{\"q\":1}"},
    {"{\"o\":{\"p\":{}},\"q\":1}", {"+/o/p", "-/o/p", "+"}, "{\"o\":{},\"q\":1,\"z\":7}"},
    {"{\"a\":{\"b\":1,\"c\":2},\"d\":3}", {"-/a/c", "-/d"}, "{\"a\":{\"b\":1}}"},
    {"[{\"a\":1},{\"a\":2}]", {"-/1/a", "+/0"}, "[{\"a\":1,\"z\":7},{}]"},
};

static void edits_are_spliced(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_arena arena;
        struct tg_doc d;
        struct tg_str result;

        tg_arena_init(&arena);
        must_parse(&arena, tg_str_of(rows[i].text), &d);
        for (size_t c = 0; rows[i].commands[c] != NULL; c++)
            apply(&d, rows[i].commands[c]);
        result = tg_doc_result(&d);
        if (!tg_str_eq(result, tg_str_of(rows[i].result)))
            fail_msg("row %zu: %.*s", i, TG_STR_ARG(result));
        assert_ptr_equal(tg_doc_result(&d).p, result.p);
        if (d.nchanges == 0)
            assert_ptr_equal(result.p, rows[i].text);
        tg_arena_end(&arena);
    }
}

static bool tells_numbers(void *owner, const struct tg_change *c)
{
    (void)owner;
    assert_int_not_equal(c->op, TG_CHANGE_RENAME); /* it leaves the value alone */
    return c->op == TG_CHANGE_REMOVE || *c->new_text.p != '"';
}

static void a_kept_patch_says_why_and_hides(void **state)
{
    struct tg_arena arena;
    struct tg_buf b = {0};
    struct tg_doc d;
    struct tg_patch_record record = {tells_numbers, NULL};

    (void)state;
    tg_arena_init(&arena);
    must_parse(&arena, TG_STR("{\"a\":1,\"b\":2,\"c\":[ 3 ],\"e\":[ 5 ]}"), &d);
    tg_doc_patch(&d, &record, &b);
    assert_true(tg_str_eq(tg_buf_str(&b), TG_STR("[]")));
    b.n = 0;
    tg_doc_replace(&d, tg_doc_find(&d, TG_STR("/a")), TG_STRING, TG_STR("\"x\""), "text");
    tg_doc_replace(&d, tg_doc_find(&d, TG_STR("/b")), TG_NUMBER, TG_STR("4"), "number");
    tg_doc_rename(&d, tg_doc_find(&d, TG_STR("/c")) - 1, TG_STR("d"), "name");
    tg_doc_remove(&d, tg_doc_find(&d, TG_STR("/e")) - 1, "gone");
    tg_doc_patch(&d, &record, &b);
    assert_true(tg_str_eq(
        tg_buf_str(&b),
        TG_STR("[{\"op\":\"replace\",\"path\":\"/a\",\"value\":\"(hidden)\",\"why\":\"text\"},"
               "{\"op\":\"replace\",\"path\":\"/b\",\"was\":2,\"value\":4,\"why\":\"number\"},"
               "{\"op\":\"move\",\"from\":\"/c\",\"path\":\"/d\",\"why\":\"name\"},"
               "{\"op\":\"remove\",\"path\":\"/e\",\"was\":[5],\"why\":\"gone\"}]")));
    tg_buf_end(&b);
    tg_arena_end(&arena);
}

static void the_patch_tells_the_changes(void **state)
{
    static const char text[] = "{ \"a/b\": { \"x\" : [ 1, \" \\\" y\" ] }, \"c\": 1.50 }";
    struct tg_arena arena;
    struct tg_buf b = {0};
    struct tg_doc d;

    (void)state;
    tg_arena_init(&arena);
    must_parse(&arena, tg_str_of(text), &d);
    tg_doc_patch(&d, NULL, &b);
    assert_true(tg_str_eq(tg_buf_str(&b), TG_STR("[]")));
    b.n = 0;
    apply(&d, "=/a~1b/x/0");
    apply(&d, "@/c");
    apply(&d, "-/a~1b");
    apply(&d, "+");
    tg_doc_patch(&d, NULL, &b);
    assert_true(tg_str_eq(
        tg_buf_str(&b),
        TG_STR("[{\"op\":\"test\",\"path\":\"/a~1b/x/0\",\"value\":1},"
               "{\"op\":\"replace\",\"path\":\"/a~1b/x/0\",\"value\":\"R\"},"
               "{\"op\":\"test\",\"path\":\"/c\",\"value\":1.50},"
               "{\"op\":\"move\",\"from\":\"/c\",\"path\":\"/n\"},"
               "{\"op\":\"test\",\"path\":\"/a~1b\",\"value\":{\"x\":[\"R\",\" \\\" y\"]}},"
               "{\"op\":\"remove\",\"path\":\"/a~1b\"},"
               "{\"op\":\"add\",\"path\":\"/z\",\"value\":7}]")));
    assert_true(tg_str_eq(tg_doc_result(&d), TG_STR("{ \"n\": 1.50, \"z\": 7 }")));
    tg_buf_end(&b);
    tg_arena_end(&arena);
}

/* --- random documents --- */

static uint64_t random_state;

static unsigned pick(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

static void random_space(struct tg_buf *b)
{
    static const char *const spaces[] = {"", "", "", " ", "\n  ", "\t", " \r\n"};

    tg_buf_puts(b, spaces[pick(7)]);
}

static void random_value(struct tg_buf *b, unsigned depth)
{
    static const char *const scalars[] = {
        "1", "-0.5e3", "true", "null", "\"\"", "\"x\"", "\"\\u00e9,}\"", "\"\xe4\xb8\xad\\\"\""};
    bool object = pick(2) == 0;
    unsigned n = pick(5);

    if (depth == 0 || pick(3) == 0) {
        tg_buf_puts(b, scalars[pick(8)]);
        return;
    }
    tg_buf_putc(b, object ? '{' : '[');
    for (unsigned i = 0; i < n; i++) {
        tg_buf_puts(b, i > 0 ? "," : "");
        random_space(b);
        if (object) {
            tg_buf_printf(b, pick(4) == 0 ? "\"\\u006d%u\"" : "\"m%u\"", i);
            random_space(b);
            tg_buf_putc(b, ':');
            random_space(b);
        }
        random_value(b, depth - 1);
        random_space(b);
    }
    tg_buf_putc(b, object ? '}' : ']');
}

static bool is_linked(const struct tg_doc *d, uint32_t node)
{
    for (; node != TG_NONE; node = d->node[node].parent)
        if (d->node[node].removed)
            return false;
    return true;
}

static void random_edit(struct tg_doc *d, unsigned number)
{
    uint32_t node = pick(d->count);
    struct tg_str name = tg_arena_printf(d->arena, "new/%u", number);

    if (!is_linked(d, node))
        return;
    switch (tg_doc_type(d, node)) {
    case TG_NAME:
        if (pick(2) == 0)
            tg_doc_remove(d, node, "test");
        else
            tg_doc_rename(d, node, name, "test");
        return;
    case TG_OBJECT:
        if (d->node[node].offset != TG_NONE)
            (void)tg_doc_add(d, node, name, TG_ARRAY, TG_STR("[]"), "test");
        return;
    case TG_ARRAY:
        return;
    default:
        tg_doc_replace(d, node, TG_STRING, TG_STR("\"a\\nb\""), "test");
    }
}

/* The edited view and its text read again: the same values, and what was not edited in the very
 * bytes of the client. */
static void must_be_same(const struct tg_doc *a, uint32_t x, const struct tg_doc *b, uint32_t y)
{
    if (!a->node[x].edited && a->node[x].offset != TG_NONE)
        assert_true(tg_str_eq(tg_doc_text(a, x), tg_doc_text(b, y)));
    if (a->node[x].type == TG_NAME)
        assert_true(tg_str_eq(tg_doc_string(a, x), tg_doc_string(b, y)));
    x = a->node[x].child;
    y = b->node[y].child;
    for (; x != TG_NONE && y != TG_NONE; x = a->node[x].next, y = b->node[y].next)
        must_be_same(a, x, b, y);
    assert_int_equal(x, y);
}

static void random_edits_are_what_is_sent(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 20000; round++) {
        struct tg_buf b = {0};
        struct tg_buf patch = {0};
        struct tg_arena arena;
        struct tg_doc d, again, operations;
        unsigned edits;

        random_state = round * 0x9e3779b97f4a7c15U;
        edits = pick(12);
        random_space(&b);
        random_value(&b, 1 + pick(5));
        random_space(&b);
        tg_arena_init(&arena);
        must_parse(&arena, tg_buf_str(&b), &d);
        for (unsigned i = 0; i < edits; i++)
            random_edit(&d, i);
        must_parse(&arena, tg_doc_result(&d), &again);
        must_be_same(&d, 0, &again, 0);
        tg_doc_patch(&d, NULL, &patch);
        must_parse(&arena, tg_buf_str(&patch), &operations);
        tg_buf_end(&patch);
        tg_buf_end(&b);
        tg_arena_end(&arena);
    }
}

/* Of many nodes the text and the changes stay; of few all does. */
static void a_large_document_is_settled(void **state)
{
    struct tg_arena arena;
    struct tg_buf text = {0};
    struct tg_doc d;
    size_t before;

    (void)state;
    tg_arena_init(&arena);
    tg_buf_puts(&text, "{\"a\": 1, \"b\": [1");
    for (unsigned i = 1; i < TG_DOC_LARGE; i++)
        tg_buf_puts(&text, ",1");
    tg_buf_puts(&text, "]}");
    must_parse(&arena, tg_buf_str(&text), &d);
    while (d.count < d.cap + 10 && d.nchanges < 100) /* makes room for more on its way */
        (void)tg_doc_add(&d, 0, tg_arena_printf(&arena, "c%u", d.nchanges), TG_NUMBER, TG_STR("7"),
                         "test");
    apply(&d, "-/a");
    before = tg_arena_used(&arena);
    tg_doc_settle(&d);
    assert_int_equal(d.count, 0);
    assert_true(before - tg_arena_used(&arena) > 4 * text.n);
    assert_int_equal(d.nchanges, 101);
    assert_true(tg_str_eq(d.last_change->pointer, TG_STR("/a")));
    assert_true(tg_str_ends(tg_doc_result(&d), TG_STR(",\"c99\": 7}")));
    assert_true(tg_str_starts(tg_doc_result(&d), TG_STR("{\"b\": [1,1")));
    must_parse(&arena, tg_doc_result(&d), &d);
    tg_buf_end(&text);
    must_parse(&arena, TG_STR(ABC), &d);
    apply(&d, "=/a");
    tg_doc_settle(&d);
    assert_int_not_equal(tg_doc_find(&d, TG_STR("/b/0")), TG_NONE);
    tg_arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_are_spliced),
        cmocka_unit_test(the_patch_tells_the_changes),
        cmocka_unit_test(a_kept_patch_says_why_and_hides),
        cmocka_unit_test(random_edits_are_what_is_sent),
        cmocka_unit_test(a_large_document_is_settled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
