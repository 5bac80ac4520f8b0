/*
 * A catalogue as a service or a file may tell it. Whatever the text, there is a reason or lists in
 * the order of their ids, in which each is found by its own; a page leads to a next one, to an end
 * or to a reason, and the nearest are among those there are.
 */
#include "live/catalogue_data.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct tg_choices *list)
{
    struct tg_buf out = {0};

    for (unsigned i = 0; i < list->n; i++) {
        CHECK(i == 0 || list->at[i - 1].id <= list->at[i].id);
        CHECK(tg_catalogue_find(list, list->at[i].id)->id == list->at[i].id);
        CHECK(list->at[i].gpu_num >= -1 && list->at[i].max_num >= -1);
    }
    tg_catalogue_nearest(list, 4, &out);
    CHECK((out.n > 0) == (list->n > 0));
    tg_buf_end(&out);
}

/* The text as every page of all lists, until they end. */
static void read_pages(struct tg_arena *arena, struct tg_str text)
{
    const struct tg_lookup_ask ask = {.kind = &tg_catalogue_kind, .subject = TG_STR("p")};
    struct tg_catalogue c = {.reading = 0};
    struct tg_lookup_page page = {.arena = arena, .value = &c, .body = text, .ask = &ask};
    const char *why = NULL;

    do {
        page.next = (struct tg_str){NULL, 0};
        why = tg_catalogue_kind.on_page(&page);
        CHECK(page.number++ < 100000);
    } while (why == NULL && page.next.n > 0);
    for (unsigned i = 0; why == NULL && i < TG_CHOICE_LISTS; i++)
        check_list(&c.list[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str text = {(const char *)data, size};
    struct tg_arena arena;
    struct tg_catalogue c;

    tg_arena_init(&arena);
    if (tg_catalogue_read(&c, &arena, text) == NULL)
        for (unsigned i = 0; i < TG_CHOICE_LISTS; i++)
            check_list(&c.list[i]);
    read_pages(&arena, text);
    tg_arena_end(&arena);
    return 0;
}
