/* What is shipped in conf/ fits the program it is shipped with: the real filters, the real tables.
 */
#include "settings/settings.h"
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONF TG_TEST_DATA "/../../conf/"

static void slurp(const char *path, struct tg_buf *out)
{
    FILE *f = fopen(path, "r");
    char *room;

    assert_non_null(f);
    room = tg_buf_room(out, 1 << 20);
    out->n += fread(room, 1, 1 << 20, f);
    fclose(f);
}

static void the_reference_is_current(void **state)
{
    struct tg_buf made = {0};
    struct tg_buf shipped = {0};

    (void)state;
    tg_settings_reference(&made);
    slurp(CONF "directives.md", &shipped);
    if (!tg_str_eq(tg_buf_str(&made), tg_buf_str(&shipped)))
        fail_msg("make it again: trainguard --reference > conf/directives.md");
    tg_buf_end(&made);
    tg_buf_end(&shipped);
}

/* The folders of the audit log come with the package: their absence alone may be told. */
static void the_configuration_loads(void **state)
{
    struct tg_buf problems = {0};
    struct tg_settings *s = tg_settings_read(CONF "trainguard.conf", CONF, &problems);
    struct tg_str text = tg_buf_str(&problems);
    struct tg_str folder = TG_STR("[emerg] \"audit_log\" /var/log/trainguard/audit.jsonl: ");

    (void)state;
    if (s == NULL && (!tg_str_starts(text, folder) || memchr(text.p, '\n', text.n - 1) != NULL))
        fail_msg("%.*s", TG_STR_ARG(text));
    tg_settings_end(s);
    tg_buf_end(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_current),
        cmocka_unit_test(the_configuration_loads),
    };

    tg_filter_register(tg_builtin_filters);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
