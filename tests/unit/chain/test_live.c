/* Live values: what nobody published is not known, what was read is on record. */
#include "chain/live.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static void each_name_finds_its_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TG_LIVE_NAMES; i++)
        assert_int_equal(tg_live_find(tg_str_of(tg_live_infos[i].name)), i);
    assert_int_equal(tg_live_find(TG_STR("spec.nonsense")), TG_LIVE_NAMES);
}

static void unpublished_is_unknown(void **state)
{
    struct tg_request r;

    (void)state;
    tg_request_init(&r, &arena);
    for (unsigned i = 0; i < TG_LIVE_NAMES; i++)
        assert_int_equal(tg_live_read(&r, i)->state, TG_LIVE_UNKNOWN);
    assert_int_equal(tg_live_read_old(&r)->state, TG_LIVE_UNKNOWN);
}

static void published_is_read(void **state)
{
    const struct tg_str roles[] = {TG_STR("ml-admin"), TG_STR("viewer")};
    struct tg_request r;
    const struct tg_live_value *value;

    (void)state;
    tg_request_init(&r, &arena);
    tg_live_set_integer(&r, TG_LIVE_TOTAL_GPUS, 16);
    tg_live_set_text(&r, TG_LIVE_USER_NAME, TG_STR("alice"));
    tg_live_set_list(&r, TG_LIVE_ROLES, roles, 2);
    tg_live_set_absent(&r, TG_LIVE_ENGINE_NAME);
    assert_false(r.live->values[TG_LIVE_TOTAL_GPUS].read);
    value = tg_live_read(&r, TG_LIVE_TOTAL_GPUS);
    assert_true(value->state == TG_LIVE_KNOWN && value->read);
    assert_true(tg_str_eq(value->text, TG_STR("16")));
    assert_true(tg_str_eq(tg_live_read(&r, TG_LIVE_USER_NAME)->text, TG_STR("alice")));
    assert_int_equal(tg_live_read(&r, TG_LIVE_ROLES)->nitems, 2);
    assert_int_equal(tg_live_read(&r, TG_LIVE_ENGINE_NAME)->state, TG_LIVE_ABSENT);
    assert_false(r.live->values[TG_LIVE_USER_ID].read);
}

static void the_old_config(void **state)
{
    const struct tg_json_limits limits = {8, 100};
    struct tg_json_fault fault;
    struct tg_request r;
    struct tg_doc doc;

    (void)state;
    tg_request_init(&r, &arena);
    tg_live_set_old(&r, NULL, 0);
    assert_int_equal(tg_live_read_old(&r)->state, TG_LIVE_ABSENT);
    assert_true(tg_doc_parse(&doc, &arena, TG_STR("{\"spec_id\":1}"), &limits, &fault));
    tg_live_set_old(&r, &doc, 0);
    assert_false(r.live->old.read);
    assert_ptr_equal(tg_live_read_old(&r)->doc, &doc);
    assert_true(r.live->old.read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_finds_its_row),
        cmocka_unit_test(unpublished_is_unknown),
        cmocka_unit_test(published_is_read),
        cmocka_unit_test(the_old_config),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
