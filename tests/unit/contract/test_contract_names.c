/* Looking names up in the contract's tables, and what a document keeps of it. */
#include "contract/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct tg_json_limits limits = {64, 1000};

/* --- names --- */

static void no_other_is_found(const struct tg_contract_member *members, const char *name)
{
    char other[64];
    size_t n = strlen(name);

    assert_true(n + 1 < sizeof(other));
    memcpy(other, name, n);
    other[n] = 's';
    assert_null(tg_contract_find(members, (struct tg_str){other, n + 1}));
    assert_null(tg_contract_find(members, (struct tg_str){other, n - 1}));
    for (size_t i = 0; i < n; i++) {
        other[i] ^= 0x20;
        assert_null(tg_contract_find(members, (struct tg_str){other, n}));
        other[i] ^= 0x20;
    }
}

static void each_is_found(const struct tg_contract_member *members)
{
    for (const struct tg_contract_member *m = members; m->name != NULL; m++) {
        assert_int_equal(m->length, strlen(m->name));
        assert_ptr_equal(tg_contract_find(members, tg_str_of(m->name)), m);
        no_other_is_found(members, m->name);
        if (m->members != NULL)
            each_is_found(m->members);
    }
}

static void every_name_is_found(void **state)
{
    (void)state;
    each_is_found(tg_contract_config);
    assert_null(tg_contract_config[TG_CONFIG_ROWS].name);
}

static void every_short_name_is_unknown(void **state)
{
    (void)state;
    assert_null(tg_contract_find(tg_contract_config, TG_STR("")));
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char name[2] = {(char)a, (char)b};

            assert_null(tg_contract_find(tg_contract_config, (struct tg_str){name, 1}));
            assert_null(tg_contract_find(tg_contract_config, (struct tg_str){name, 2}));
        }
    }
}

/* --- the view --- */

struct fixture {
    struct tg_arena arena;
    struct tg_doc doc;
};

static void read_config(struct fixture *f, struct tg_str text)
{
    struct tg_json_fault fault;

    tg_arena_init(&f->arena);
    assert_true(tg_doc_parse(&f->doc, &f->arena, text, &limits, &fault));
}

static uint32_t value_of(struct fixture *f, unsigned number)
{
    return tg_contract_members(&f->doc, 0)->value[number];
}

static uint32_t name_of(struct fixture *f, const char *pointer)
{
    return tg_doc_parent(&f->doc, tg_doc_find(&f->doc, tg_str_of(pointer)));
}

static void a_view_tells_what_is_there(void **state)
{
    struct fixture f;
    const struct tg_contract_view *view;

    (void)state;
    read_config(&f,
                TG_STR("{\"sp\\u0065c_id\":1,\"pool_name\":\"x\",\"log_url\":null,\"other\":2}"));
    view = tg_contract_members(&f.doc, 0);
    for (unsigned i = 0; i < TG_CONFIG_ROWS; i++)
        assert_int_equal(view->value[i], i == TG_SPEC_ID     ? 2
                                         : i == TG_POOL_NAME ? 4
                                         : i == TG_LOG_URL   ? 6
                                                             : TG_NONE);
    assert_true(view->unknown);
    assert_int_equal(view->flags, TG_CONTRACT_RESPONSE | tg_contract_config[TG_LOG_URL].flags);
    tg_arena_end(&f.arena);

    read_config(&f, TG_STR("{}"));
    view = tg_contract_members(&f.doc, 0);
    assert_false(view->unknown);
    assert_int_equal(view->flags, 0);
    tg_arena_end(&f.arena);
}

static void a_view_is_kept_until_a_name_changes(void **state)
{
    struct fixture f;
    const struct tg_contract_view *view;
    uint32_t added;

    (void)state;
    read_config(&f, TG_STR("{\"spec_id\":\"1\",\"parameter\":[{\"key\":\"a\"}],\"cpu\":1}"));
    view = tg_contract_members(&f.doc, 0);
    tg_doc_rename(&f.doc, name_of(&f, "/parameter/0/key"), TG_STR("label"), "test");
    tg_doc_replace(&f.doc, value_of(&f, TG_SPEC_ID), TG_NUMBER, TG_STR("1"), "test");
    assert_ptr_equal(tg_contract_members(&f.doc, 0), view);

    tg_doc_remove(&f.doc, name_of(&f, "/cpu"), "test");
    assert_int_equal(value_of(&f, TG_CPU), TG_NONE);
    assert_int_equal(tg_contract_members(&f.doc, 0)->flags & TG_CONTRACT_RESPONSE, 0);

    tg_doc_rename(&f.doc, name_of(&f, "/spec_id"), TG_STR("engine_id"), "test");
    assert_int_equal(value_of(&f, TG_SPEC_ID), TG_NONE);
    assert_int_equal(value_of(&f, TG_ENGINE_ID), 2);

    added = tg_doc_add(&f.doc, 0, TG_STR("spec_id"), TG_NUMBER, TG_STR("7"), "test");
    assert_int_equal(value_of(&f, TG_SPEC_ID), added);
    tg_arena_end(&f.arena);
}

/* --- what is noted of nodes --- */

static bool is_well_formed(struct fixture *f, const char *pointer)
{
    return tg_contract_is_obs_path(&f->doc, tg_doc_find(&f->doc, tg_str_of(pointer)));
}

static void a_new_text_forgets_what_was_noted_of_the_old(void **state)
{
    struct fixture f;
    uint32_t url;

    (void)state;
    read_config(&f, TG_STR("{\"log_url\":\"/bucket/a/\",\"train_url\":\"/bucket/b/\"}"));
    (void)tg_contract_members(&f.doc, 0);
    url = tg_doc_find(&f.doc, TG_STR("/log_url"));
    assert_false(is_well_formed(&f, "/log_url"));
    assert_int_equal(tg_judge_path_faults(&f.doc, url, &tg_contract_config[TG_LOG_URL]), 0);
    assert_true(is_well_formed(&f, "/log_url"));
    assert_false(is_well_formed(&f, "/train_url"));
    tg_doc_replace(&f.doc, url, TG_STRING, TG_STR("\"no path\""), "test");
    assert_false(is_well_formed(&f, "/log_url"));
    tg_arena_end(&f.arena);
}

/* More members than there was room for, with values that are looked up beside them. */
static void notes_grow_with_the_document(void **state)
{
    struct fixture f;
    uint32_t first;

    (void)state;
    read_config(&f, TG_STR("{\"cpu\":1}"));
    first = tg_contract_members(&f.doc, 0)->value[TG_CPU];
    for (unsigned i = 0; i < TG_CONFIG_ROWS; i++) {
        uint32_t added;

        if (i == TG_CPU)
            continue;
        added = tg_doc_add(&f.doc, 0, tg_str_of(tg_contract_config[i].name), TG_NUMBER, TG_STR("1"),
                           "test");
        assert_int_equal(tg_contract_value(&f.doc, 0, tg_contract_config, i), added);
        assert_int_equal(tg_contract_value(&f.doc, 0, tg_contract_config, TG_CPU), first);
    }
    assert_false(tg_contract_members(&f.doc, 0)->unknown);
    tg_arena_end(&f.arena);
}

static void each_object_has_its_own_view(void **state)
{
    struct fixture f;

    (void)state;
    read_config(&f, TG_STR("{\"spec_id\":1,\"config\":{\"spec_id\":2}}"));
    assert_int_equal(tg_contract_members(&f.doc, 4)->value[TG_SPEC_ID], 6);
    assert_int_equal(tg_contract_members(&f.doc, 0)->value[TG_SPEC_ID], 2);
    assert_int_equal(tg_contract_members(&f.doc, 4)->value[TG_SPEC_ID], 6);
    tg_arena_end(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found),
        cmocka_unit_test(every_short_name_is_unknown),
        cmocka_unit_test(a_view_tells_what_is_there),
        cmocka_unit_test(a_view_is_kept_until_a_name_changes),
        cmocka_unit_test(a_new_text_forgets_what_was_noted_of_the_old),
        cmocka_unit_test(notes_grow_with_the_document),
        cmocka_unit_test(each_object_has_its_own_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
