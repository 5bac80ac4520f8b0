/* What lenient readers make of characters: the table is in order, and its texts never grow. */
#include "base/utf8.h"
#include "base/utf8_folds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    uint32_t code;
    const char *text;
} rows[] = {
    {0, ""},         {'a', "a"},      {'A', "a"},     {'Z', "z"},     {'[', "["},
    {0x7f, "\x7f"},  {0xdf, "ss"},    {0xe9, "e"},    {0xc9, "e"},    {0x130, "i"},
    {0x131, "i"},    {0x17f, "s"},    {0x2010, "-"},  {0x2025, ".."}, {0x203f, "_"},
    {0x2044, "/"},   {0x2100, "a/c"}, {0x212a, "k"},  {0x212f, "e"},  {0x2170, "i"},
    {0x217e, "d"},   {0x2e2, "s"},    {0x24b6, "a"},  {0x24e9, "z"},  {0xfb01, "fi"},
    {0xfb03, "ffi"}, {0xfb06, "st"},  {0xfe33, "_"},  {0xff0f, "/"},  {0xff21, "a"},
    {0xff5a, "z"},   {0x1d400, "a"},  {0x1d433, "z"}, {0x1d7ff, "9"}, {0xb9, "1"},
};

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint32_t out[TG_UTF8_FOLDED];
        unsigned n = tg_utf8_fold(rows[i].code, out);
        char text[TG_UTF8_FOLDED + 1] = "";

        for (unsigned k = 0; k < n; k++)
            text[k] = (char)out[k];
        if (strcmp(text, rows[i].text) != 0)
            fail_msg("U+%04X became %s", rows[i].code, text);
    }
}

static void others_stay(void **state)
{
    static const uint32_t codes[] = {0x80, 0x43e, 0x4e2d, 0xd800, 0x1f600, 0x10ffff, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        uint32_t out[TG_UTF8_FOLDED];

        assert_int_equal(tg_utf8_fold(codes[i], out), 1);
        assert_int_equal(out[0], codes[i]);
    }
}

/* Skeletons of paths are written over the paths they are made of. */
static void the_table(void **state)
{
    uint32_t before = 0x7f;

    (void)state;
    for (size_t i = 0; i < sizeof(tg_utf8_folds) / sizeof(*tg_utf8_folds); i++) {
        char bytes[4];
        size_t n = strlen(tg_utf8_folds[i].text);

        assert_true(tg_utf8_folds[i].first > before);
        assert_true(tg_utf8_folds[i].last >= tg_utf8_folds[i].first);
        assert_true(n > 0 && n <= tg_utf8_encode(tg_utf8_folds[i].first, bytes));
        assert_true(n == 1 || tg_utf8_folds[i].last == tg_utf8_folds[i].first);
        before = tg_utf8_folds[i].last;
    }
}

/* What a terminal would act on: the first and the last of each range, and what stands beside them.
 */
static void hazards(void **state)
{
    static const uint32_t ranges[][2] = {{0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},
                                         {0x200e, 0x200f}, {0x2028, 0x2029}, {0x202a, 0x202e},
                                         {0x2066, 0x2069}, {0xfeff, 0xfeff}};
    size_t n = sizeof(ranges) / sizeof(*ranges);

    (void)state;
    for (uint32_t code = 0; code < 0x10000; code++) {
        bool hazard = false;

        for (size_t i = 0; i < n; i++)
            hazard = hazard || (code >= ranges[i][0] && code <= ranges[i][1]);
        assert_int_equal(tg_utf8_is_hazard(code), hazard);
    }
    assert_false(tg_utf8_is_hazard(0x10ffff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row),
        cmocka_unit_test(others_stay),
        cmocka_unit_test(the_table),
        cmocka_unit_test(hazards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
