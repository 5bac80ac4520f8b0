/* Documents: nodes, names that stand twice, strings, pointers, places, and time linear in size. */
#include "json/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct tg_arena arena;

static int begin(void **state)
{
    (void)state;
    tg_arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    tg_arena_end(&arena);
    return 0;
}

static bool parse(struct tg_str text, struct tg_doc *d, struct tg_json_fault *fault)
{
    struct tg_json_limits limits = {TG_JSON_MAX_DEPTH, 100000000};

    return tg_doc_parse(d, &arena, text, &limits, fault);
}

static void must_parse(const char *text, struct tg_doc *d)
{
    struct tg_json_fault fault;

    if (!parse(tg_str_of(text), d, &fault))
        fail_msg("%s: %s", text, fault.message);
}

static void nodes_are_linked_in_order(void **state)
{
    struct tg_doc d;
    uint32_t a, e;

    (void)state;
    must_parse("{\"a\": [10, {\"x\": null}, \"s\"], \"b\": true}", &d);
    assert_int_equal(d.count, 10);
    assert_int_equal(tg_doc_type(&d, 0), TG_OBJECT);
    a = tg_doc_member(&d, 0, TG_STR("a"));
    assert_int_equal(tg_doc_type(&d, a), TG_ARRAY);
    e = d.node[a].child;
    for (uint32_t i = 0; i < 3; i++, e = d.node[e].next) {
        assert_int_equal(d.node[e].index, i);
        assert_int_equal(d.node[e].parent, a);
    }
    assert_int_equal(e, TG_NONE);
    assert_int_equal(tg_doc_type(&d, tg_doc_member(&d, 0, TG_STR("b"))), TG_TRUE);
    assert_int_equal(tg_doc_member(&d, 0, TG_STR("c")), TG_NONE);
}

static void names_are_compared_after_unescaping(void **state)
{
    static const struct {
        const char *text;
        unsigned duplicates;
        const char *first; /* pointer */
    } rows[] = {
        {"{\"a\":1,\"b\":2}", 0, NULL},
        {"{\"a\":1,\"A\":2,\"\":3,\" \":4}", 0, NULL},
        {"{\"a\":1,\"a\":2}", 1, "/a"},
        {"{\"a\":1,\"\\u0061\":2}", 1, "/a"},
        {"{\"\\u0061\":1,\"a\":2}", 1, "/a"},
        {"{\"\\/\":1,\"/\":2}", 1, "/~1"},
        {"{\"\":1,\"\":2}", 1, "/"},
        {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 1, "/\xf0\x9f\x98\x80"},
        {"{\"\\u0000\":1,\"\\u0000a\":2}", 0, NULL},
        {"[{\"a\":1},{\"a\":1}]", 0, NULL},
        {"{\"a\":{\"a\":{\"a\":1}}}", 0, NULL},
        {"{\"a\":1,\"a\":2,\"a\":3}", 2, "/a"},
        {"{\"x\":[0,{\"b\":1,\"b\":2}],\"x\":1}", 2, "/x/1/b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_json_fault fault;
        struct tg_doc d;
        unsigned n = 0;
        bool ok = parse(tg_str_of(rows[i].text), &d, &fault);

        assert_int_equal(ok, rows[i].duplicates == 0);
        if (ok)
            continue;
        assert_int_equal(fault.kind, TG_JSON_DUPLICATE);
        assert_true(tg_str_eq(fault.pointer, tg_str_of(rows[i].first)));
        for (const struct tg_json_fault *f = &fault; f != NULL; f = f->next, n++)
            assert_true(f->next == NULL || f->next->offset > f->offset);
        assert_int_equal(n, rows[i].duplicates);
    }
}

/* Large objects, and names with escapes, go through other paths than small ones. */
static void duplicates_in_objects_of_all_sizes(void **state)
{
    static const char *const spellings[] = {"m0", "\\u006d0"};

    (void)state;
    for (unsigned members = 1; members < 300; members++) {
        struct tg_buf b = {0};
        struct tg_json_fault fault;
        struct tg_doc d;
        size_t end;

        tg_buf_putc(&b, '{');
        for (unsigned i = 0; i < members; i++)
            tg_buf_printf(&b, "%s\"m%u\":1", i > 0 ? "," : "", i);
        tg_buf_puts(&b, "}");
        assert_true(parse(tg_buf_str(&b), &d, &fault));
        end = b.n - 1;
        for (size_t i = 0; i < 2; i++) {
            b.n = end;
            tg_buf_printf(&b, ",\"%s\":1}", spellings[i]);
            assert_false(parse(tg_buf_str(&b), &d, &fault));
            assert_int_equal(fault.offset, end + 1);
            assert_null(fault.next);
        }
        tg_buf_end(&b);
    }
}

static void at_most_so_many_duplicates_are_told(void **state)
{
    struct tg_buf b = {0};
    struct tg_json_fault fault;
    struct tg_doc d;
    unsigned n = 0;

    (void)state;
    tg_buf_puts(&b, "{\"a\":0");
    for (unsigned i = 0; i < 1000; i++)
        tg_buf_puts(&b, ",\"a\":0");
    tg_buf_putc(&b, '}');
    assert_false(parse(tg_buf_str(&b), &d, &fault));
    for (const struct tg_json_fault *f = &fault; f != NULL; f = f->next)
        n++;
    assert_int_equal(n, TG_JSON_MAX_REPEATED);
    tg_buf_end(&b);
}

static void duplicates_cost_no_more_than_the_text(void **state)
{
    struct tg_buf b = {0};
    struct tg_json_fault fault;
    struct tg_doc d;
    size_t pointers = 0;

    (void)state;
    tg_buf_puts(&b, "{\"");
    for (unsigned i = 0; i < 50000; i++)
        tg_buf_putc(&b, 'n');
    tg_buf_puts(&b, "\":{\"a\":0");
    for (unsigned i = 0; i < 100; i++)
        tg_buf_puts(&b, ",\"a\":0");
    tg_buf_puts(&b, "}}");
    assert_false(parse(tg_buf_str(&b), &d, &fault));
    for (const struct tg_json_fault *f = &fault; f != NULL; f = f->next)
        pointers += f->pointer.n;
    assert_in_range(pointers, 50000, 2 * b.n);
    tg_buf_end(&b);
}

static void strings_are_unescaped(void **state)
{
    static const struct {
        const char *text;
        struct tg_str value;
    } rows[] = {
        {"\"\"", {"", 0}},
        {"\"abc\"", {"abc", 3}},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
        {"\"\\u0041\\u00e9\\u4e2d\"", {"A\xc3\xa9\xe4\xb8\xad", 6}},
        {"\"\\ud83d\\uDE00\"", {"\xf0\x9f\x98\x80", 4}},
        {"\"a\\u0000b\"", {"a\0b", 3}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_doc d;

        must_parse(rows[i].text, &d);
        assert_true(tg_str_eq(tg_doc_string(&d, 0), rows[i].value));
        assert_true(tg_doc_is(&d, 0, rows[i].value));
        assert_false(tg_doc_is(&d, 0, TG_STR("abcd")));
        if (rows[i].value.n > 0) {
            struct tg_str shorter = {rows[i].value.p, rows[i].value.n - 1};

            assert_false(tg_doc_is(&d, 0, shorter));
        }
    }
}

/* Long pointers are made another way than short ones. */
static void pointers_of_all_lengths(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 300; n++) {
        struct tg_buf b = {0}, expected = {0};
        struct tg_json_fault fault;
        struct tg_str pointer;
        struct tg_doc d;

        tg_buf_puts(&b, "{\"");
        tg_buf_puts(&expected, "/");
        for (unsigned i = 0; i < n; i++) {
            tg_buf_putc(&b, "a~/"[i % 3]);
            tg_buf_puts(&expected, i % 3 == 0 ? "a" : i % 3 == 1 ? "~0" : "~1");
        }
        tg_buf_puts(&b, "\":[0,{\"b\":1}]}");
        tg_buf_puts(&expected, "/1/b");
        assert_true(parse(tg_buf_str(&b), &d, &fault));
        pointer = tg_doc_pointer(&d, d.count - 1);
        assert_true(tg_str_eq(pointer, tg_buf_str(&expected)));
        assert_int_equal(pointer.p[pointer.n], '\0');
        assert_int_equal(tg_doc_find(&d, pointer), d.count - 1);
        tg_buf_end(&b);
        tg_buf_end(&expected);
    }
}

static void integers_are_canonical(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"-0", false, 0},
        {"1.0", false, 0},
        {"1e0", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tg_doc d;
        int64_t value = 0;

        must_parse(rows[i].text, &d);
        assert_int_equal(tg_doc_integer(&d, 0, &value), rows[i].ok);
        assert_true(value == rows[i].value);
    }
}

/* A pointer leads to where it came from. */
static void pointers_go_both_ways(void **state)
{
    static const char *const none[] = {"a", "/zz", "/a/3", "/a/01", "/a/-", "/a/0/x", "/b/", "///"};
    struct tg_doc d;

    (void)state;
    must_parse("{\"a\": [1, {\"x/y~z\": []}, 2], \"b\": \"s\", \"\": {\"\": 0}, \"~1\": 1}", &d);
    for (uint32_t i = 0; i < d.count; i++) {
        uint32_t value = tg_doc_type(&d, i) == TG_NAME ? d.node[i].child : i;

        assert_int_equal(tg_doc_find(&d, tg_doc_pointer(&d, i)), value);
    }
    assert_true(tg_str_eq(tg_doc_pointer(&d, tg_doc_find(&d, TG_STR("/a/1/x~1y~0z"))),
                          TG_STR("/a/1/x~1y~0z")));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(tg_doc_find(&d, tg_str_of(none[i])), TG_NONE);
}

static void places_count_lines_and_characters(void **state)
{
    static const struct {
        uint32_t offset;
        unsigned line, column;
    } rows[] = {
        {0, 1, 1}, {1, 1, 2}, {2, 2, 1}, {5, 2, 2},  {6, 2, 3},
        {7, 2, 4}, {8, 3, 1}, {9, 4, 1}, {10, 4, 2},
    };
    /* LF, a wide character, CRLF, CR */
    struct tg_str text = TG_STR("a\n\xe4\xb8\xad"
                                "b\r\n\rz");
    uint32_t offsets[16];
    struct tg_place all[16];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        uint32_t offset = rows[i].offset;
        struct tg_place p;

        tg_doc_places(text, &offset, 1, &p);
        assert_int_equal(p.line, rows[i].line);
        assert_int_equal(p.column, rows[i].column);
        offsets[8 - i] = rows[i].offset;
    }
    offsets[9] = TG_NONE;
    tg_doc_places(text, offsets, 10, all);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(all[8 - i].line, rows[i].line);
        assert_int_equal(all[8 - i].column, rows[i].column);
    }
    assert_int_equal(all[9].line, 0);
}

/* --- time --- */

typedef void write_shape(struct tg_buf *b, size_t size);

static void many_names(struct tg_buf *b, size_t size)
{
    tg_buf_puts(b, "{\"x\":0");
    for (unsigned i = 0; b->n < size; i++)
        tg_buf_printf(b, ",\"n%u\":0", i);
    tg_buf_putc(b, '}');
}

static void same_names(struct tg_buf *b, size_t size)
{
    tg_buf_puts(b, "{\"x\":0");
    while (b->n < size)
        tg_buf_puts(b, ",\"x\":0");
    tg_buf_putc(b, '}');
}

static void escaped_names(struct tg_buf *b, size_t size)
{
    tg_buf_puts(b, "{\"x\":0");
    for (unsigned i = 0; b->n < size; i++)
        tg_buf_printf(b, ",\"\\u0061\\n%u\":0", i);
    tg_buf_putc(b, '}');
}

static void small_objects(struct tg_buf *b, size_t size)
{
    tg_buf_puts(b, "[0");
    while (b->n < size)
        tg_buf_puts(b, ",{\"a\":1,\"b\":2}");
    tg_buf_putc(b, ']');
}

static void nested(struct tg_buf *b, size_t size)
{
    tg_buf_puts(b, "[0");
    while (b->n < size) {
        tg_buf_putc(b, ',');
        for (unsigned i = 0; i < 60; i++)
            tg_buf_putc(b, '[');
        for (unsigned i = 0; i < 60; i++)
            tg_buf_putc(b, ']');
    }
    tg_buf_putc(b, ']');
}

static double seconds_for(write_shape *shape, size_t size)
{
    struct tg_buf b = {0};
    struct tg_json_fault fault;
    struct tg_doc d;
    struct timespec from, to;

    shape(&b, size);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    (void)parse(tg_buf_str(&b), &d, &fault);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    tg_arena_end(&arena);
    tg_buf_end(&b);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Sixteen times the size may take sixteen times the time, and some; quadratic would take 256. */
static void time_is_linear(void **state)
{
    static write_shape *const shapes[] = {many_names, same_names, escaped_names, small_objects,
                                          nested};

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double one = seconds_for(shapes[i], 100000);
        double many = seconds_for(shapes[i], 1600000);

        for (unsigned again = 0; many > 80 * one + 0.1 && again < 9; again++)
            many = seconds_for(shapes[i], 1600000); /* page faults of a busy machine count too */
        if (many > 80 * one + 0.1)
            fail_msg("shape %zu: %g s, then %g s", i, one, many);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_are_linked_in_order, begin, finish),
        cmocka_unit_test_setup_teardown(names_are_compared_after_unescaping, begin, finish),
        cmocka_unit_test_setup_teardown(duplicates_in_objects_of_all_sizes, begin, finish),
        cmocka_unit_test_setup_teardown(at_most_so_many_duplicates_are_told, begin, finish),
        cmocka_unit_test_setup_teardown(duplicates_cost_no_more_than_the_text, begin, finish),
        cmocka_unit_test_setup_teardown(strings_are_unescaped, begin, finish),
        cmocka_unit_test_setup_teardown(pointers_of_all_lengths, begin, finish),
        cmocka_unit_test_setup_teardown(integers_are_canonical, begin, finish),
        cmocka_unit_test_setup_teardown(pointers_go_both_ways, begin, finish),
        cmocka_unit_test_setup_teardown(places_count_lines_and_characters, begin, finish),
        cmocka_unit_test_setup_teardown(time_is_linear, begin, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
