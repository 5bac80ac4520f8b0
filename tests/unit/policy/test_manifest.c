/* Lists of signed files: what is one, what is wrong with others, and where. */
#include "policy/manifest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SUM  "f78545081a2f53df9722f7889e10703559763a893ffab2bee16a33f0b832dedb"
#define HEAD "# revision 7\n# expires 2027-01-31\n"

static void lists(void **state)
{
    static const struct {
        const char *text;
        unsigned line; /* where it is wrong; 0: it is good */
    } cases[] = {
        {HEAD, 0},
        {HEAD SUM "  a.conf\n", 0},
        {HEAD SUM " *a.conf\n" SUM "  sub/b c.csv\n", 0},
        {"# revision 18446744073709551615\n# expires 2027-01-31\n", 0},
        {"", 1},
        {"\n", 1},
        {"# revision 0\n# expires 2027-01-31\n", 1},
        {"# revision -1\n# expires 2027-01-31\n", 1},
        {"# revision 18446744073709551616\n# expires 2027-01-31\n", 1},
        {"# revision 7 \n# expires 2027-01-31\n", 1},
        {"# expires 2027-01-31\n# revision 7\n", 1},
        {"# revision 7\r\n# expires 2027-01-31\r\n", 1},
        {"# revision 7\n", 2},
        {"# revision 7\n# expires 2027-02-30\n", 2},
        {"# revision 7\n# expires 2027-01-31", 2},
        {"# revision 7\n# expires never\n", 2},
        {"# revision 7\n" SUM "  a.conf\n", 2},
        {HEAD SUM "  a.conf", 3},
        {HEAD "\n", 3},
        {HEAD "# comment\n", 3},
        {HEAD SUM " a.conf\n", 3},
        {HEAD SUM "  \n", 3},
        {HEAD SUM "\n", 3},
        {HEAD SUM "\ta.conf\n", 3},
        {HEAD "g78545081a2f53df9722f7889e10703559763a893ffab2bee16a33f0b832dedb  a.conf\n", 3},
        {HEAD "78545081a2f53df9722f7889e10703559763a893ffab2bee16a33f0b832dedb  a.conf\n", 3},
        {HEAD "\\" SUM "  a\\nb.conf\n", 3},
        {HEAD SUM "  a.conf\n" SUM "  ../b.conf\n", 4},
        {HEAD SUM "  a.conf\n" SUM "  b.conf\n" SUM "  a.conf\n", 5},
    };
    struct tg_arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tg_manifest m;
        unsigned line = 0;
        const char *why;

        tg_arena_init(&arena);
        why = tg_manifest_read(&arena, tg_str_of(cases[i].text), &m, &line);
        if ((why == NULL) != (cases[i].line == 0) || (why != NULL && line != cases[i].line))
            fail_msg("%s: line %u, %s", cases[i].text, line, why != NULL ? why : "good");
        tg_arena_end(&arena);
    }
}

static void names(void **state)
{
    static const char *const good[] = {"a.conf", "a b", "sub/a", ".hidden", "..data", "...", "x*"};
    static const char *const bad[] = {"",      ".",    "..",   "/a",   "a/",     "a//b",
                                      "./a",   "a/.",  "../a", "a/..", "a/../b", "a\\b",
                                      "a\x7f", "a\tb", " a",   "a ",   "//"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        if (!tg_manifest_name(tg_str_of(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (tg_manifest_name(tg_str_of(bad[i])))
            fail_msg("%s", bad[i]);
}

/* What is written is read again as it was, and found by its name. */
static void written(void **state)
{
    struct tg_manifest m, again;
    struct tg_buf text = {0};
    struct tg_arena arena;
    unsigned line;

    (void)state;
    tg_arena_init(&arena);
    assert_null(tg_manifest_read(&arena, TG_STR(HEAD SUM "  a.conf\n" SUM "  b.csv\n"), &m, &line));
    assert_int_equal(m.revision, 7);
    assert_int_equal(m.expires_at, 1801440000); /* 2027-02-01 */
    tg_manifest_write(&m, &text);
    assert_null(tg_manifest_read(&arena, tg_buf_str(&text), &again, &line));
    assert_int_equal(again.n, 2);
    assert_non_null(tg_manifest_find(&again, TG_STR("b.csv")));
    assert_null(tg_manifest_find(&again, TG_STR("b.cs")));
    assert_null(tg_manifest_find(&again, TG_STR("MANIFEST")));
    tg_buf_end(&text);
    tg_arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(names),
        cmocka_unit_test(written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
