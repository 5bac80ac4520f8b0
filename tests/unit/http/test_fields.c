/* Field sections are looked at in pieces of sixteen bytes and more: here one by one beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/chars.h"
#include "http/fields.h"

#include <stdio.h>
#include <stdlib.h>

enum { LONGEST = 70, HEAD = 210 };

/* Memory of exactly so many bytes: a sanitizer sees what is read beyond it. */
static char *copy(const char *text, size_t n)
{
    char *p = malloc(n + (n == 0));

    assert_non_null(p);
    memcpy(p, text, n);
    return p;
}

/* Where the first empty line ends, or 0. */
static size_t end_of(const char *p, size_t n, size_t start)
{
    for (size_t at = start; at + 4 <= n; at++)
        if (memcmp(p + at, "\r\n\r\n", 4) == 0)
            return at + 4;
    return 0;
}

/* Whatever stands in a text, whether it comes at once or in two pieces. */
static void end_is_found_in_any_text(void **state)
{
    static const char letters[] = "\r\n\r\nx";

    (void)state;
    srand(1);
    for (unsigned turn = 0; turn < 20000; turn++) {
        size_t n = (size_t)rand() % HEAD;
        size_t first = (size_t)rand() % (n + 1);
        size_t start = (size_t)rand() % (first + 1);
        unsigned rare = turn % 3 == 0 ? 1 : 40; /* others than x */
        char text[HEAD];
        size_t scanned = 0;
        size_t end;
        char *p;

        for (size_t i = 0; i < n; i++)
            text[i] = (unsigned)rand() % rare == 0 ? letters[rand() % 5] : 'x';
        if (turn % 2 == 0 && n >= 4)
            memcpy(text + (size_t)rand() % (n - 3), "\r\n\r\n", 4);
        p = copy(text, n);
        end = tg_fields_end((struct tg_str){p, first}, start, &scanned);
        assert_int_equal(end, end_of(p, first, start));
        assert_int_equal(scanned, end != 0 ? end : first);
        if (end == 0) {
            end = tg_fields_end((struct tg_str){p, n}, start, &scanned);
            assert_int_equal(end, end_of(p, n, start));
        }
        free(p);
    }
}

/* Reads one line with this name and value; true when it is taken, as it is. */
static bool taken(const char *name, size_t n, const char *value, size_t m)
{
    char line[2 * LONGEST + 8];
    int length = sprintf(line, "%.*s: ", (int)n, name);
    struct tg_field field;
    unsigned count;
    const char *why;
    bool ok;
    char *p;

    memcpy(line + length, value, m);
    memcpy(line + length + m, "\r\n\r\n", 4);
    p = copy(line, (size_t)length + m + 4);
    ok = tg_fields_read((struct tg_str){p, (size_t)length + m + 4}, LONGEST * 4, 1, &field, &count,
                        &why) == TG_FIELDS_OK;
    if (ok) {
        assert_int_equal(count, 1);
        assert_true(tg_str_eq(field.name, (struct tg_str){name, n}));
        assert_true(tg_str_eq(field.value, tg_str_trim((struct tg_str){value, m})));
    }
    free(p);
    return ok;
}

/* Every byte but the line's own ends, at every place of a value. */
static void controls_are_found_in_any_value(void **state)
{
    char value[LONGEST];

    (void)state;
    for (size_t n = 1; n <= LONGEST; n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                memset(value, 'v', n);
                value[at] = (char)c;
                if (taken("name", 4, value, n) != tg_char_is((char)c, TG_CHAR_TEXT))
                    fail_msg("%d at %zu of %zu", c, at, n);
            }
}

/* The same of a name; NUL would end sprintf's. A colon ends the name early. */
static void others_than_tchar_are_found_in_any_name(void **state)
{
    char name[LONGEST];

    (void)state;
    for (size_t n = 2; n <= LONGEST; n++)
        for (size_t at = 1; at < n; at++)
            for (int c = 1; c < 256; c++) {
                if (c == ':')
                    continue;
                memset(name, 'n', n);
                name[at] = (char)c;
                if (taken(name, n, "value", 5) != tg_char_is((char)c, TG_CHAR_TOKEN))
                    fail_msg("%d at %zu of %zu", c, at, n);
            }
}

enum { MOST_BYTES = 5, MOST_FIELDS = 2 };

/* `why` NULL: taken. The limits hold at n - 1, n and n + 1. */
static const struct {
    const char *lines, *why;
    enum tg_fields_result result;
} sections[] = {
    {"", NULL, TG_FIELDS_OK},
    {"A: b\r\n", NULL, TG_FIELDS_OK},
    {"A: bc\r\n", NULL, TG_FIELDS_OK},
    {"A: bcd\r\n", "header field too long", TG_FIELDS_TOO_LARGE},
    {"A: b\r\nC: d\r\n", NULL, TG_FIELDS_OK},
    {"A: b\r\nC: d\r\nE: f\r\n", "too many header fields", TG_FIELDS_TOO_LARGE},
    {" A: b\r\n", "folded field line or blank before the first field (RFC 9112 section 5.2)",
     TG_FIELDS_MALFORMED},
    {"\tA: b\r\n", "folded field line or blank before the first field (RFC 9112 section 5.2)",
     TG_FIELDS_MALFORMED},
    {"A : b\r\n", "blank before the colon of a field (RFC 9112 section 5.1)", TG_FIELDS_MALFORMED},
    {": b\r\n", "field without a name", TG_FIELDS_MALFORMED},
    {"Ab\r\n", "field line without a colon", TG_FIELDS_MALFORMED},
    {"A(: b\r\n", "character not allowed in a field name", TG_FIELDS_MALFORMED},
    {"A: \1\r\n", "control character in a field value (RFC 9110 section 5.5)", TG_FIELDS_MALFORMED},
};

static void sections_and_why_they_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        struct tg_field fields[MOST_FIELDS];
        unsigned count;
        const char *why = NULL;
        char text[64], *p;
        size_t n = (size_t)snprintf(text, sizeof(text), "%s\r\n", sections[i].lines);

        p = copy(text, n);
        assert_int_equal(
            tg_fields_read((struct tg_str){p, n}, MOST_BYTES, MOST_FIELDS, fields, &count, &why),
            sections[i].result);
        if (sections[i].why == NULL)
            assert_null(why);
        else
            assert_string_equal(why, sections[i].why);
        free(p);
    }
}

/* Only what Connection names beside keep-alive has to be looked for among the fields. */
static void options_that_name_fields(void **state)
{
    static const struct {
        const char *value;
        bool names;
    } rows[] = {{"keep-alive", false},        {" , Keep-Alive,keep-alive", false}, {"close", true},
                {"keep-alive, x-mine", true}, {"x-mine,keep-alive", true},         {"", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct tg_field field = {TG_STR("connection"), tg_str_of(rows[i].value)};
        struct tg_framing_fields found;

        assert_null(tg_fields_framing(&field, 1, &found));
        if (found.names_fields != rows[i].names)
            fail_msg("%s", rows[i].value);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_is_found_in_any_text),
        cmocka_unit_test(controls_are_found_in_any_value),
        cmocka_unit_test(others_than_tchar_are_found_in_any_name),
        cmocka_unit_test(sections_and_why_they_are_refused),
        cmocka_unit_test(options_that_name_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
