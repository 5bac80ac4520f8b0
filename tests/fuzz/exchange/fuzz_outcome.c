/*
 * Bodies of answers: what is seen of the outcome hangs neither on how the bytes arrive nor, where
 * they are JSON, on anything but what a whole parser finds in them.
 */
#include "base/check.h"
#include "exchange/outcome.h"
#include "json/document.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In pieces of as many bytes as `sizes` says, one after the other. */
static void read_pieces(struct tg_outcome *o, struct tg_str body, struct tg_str sizes)
{
    size_t at = 0;

    tg_outcome_init(o);
    for (size_t i = 0; at < body.n; i++) {
        size_t n = sizes.n > 0 ? (unsigned char)sizes.p[i % sizes.n] % 64 : 1;

        n = n < body.n - at ? n : body.n - at;
        tg_outcome_read(o, (struct tg_str){body.p + at, n});
        at += n > 0 ? n : 1;
        if (n == 0)
            tg_outcome_read(o, (struct tg_str){body.p + at - 1, 1});
    }
}

/* A code of characters that the reader keeps as they are. */
static bool is_plain(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0)
            return false;
    return s.n < TG_OUTCOME_TEXT;
}

/* What a parser of whole documents says. */
static void compare(const struct tg_outcome *o, struct tg_arena *arena, struct tg_str body)
{
    const struct tg_json_limits limits = {64, 10000};
    struct tg_json_fault fault;
    struct tg_doc doc;
    uint32_t member;

    if (!tg_doc_parse(&doc, arena, body, &limits, &fault))
        return;
    if (tg_doc_type(&doc, 0) != TG_OBJECT) {
        CHECK(!o->failed && o->error_code[0] == '\0');
        return;
    }
    member = tg_doc_member(&doc, 0, TG_STR("is_success"));
    CHECK(o->failed ==
          (member != TG_NONE && tg_str_eq(tg_doc_text(&doc, member), TG_STR("false"))));
    member = tg_doc_member(&doc, 0, TG_STR("error_code"));
    if (member == TG_NONE || tg_doc_type(&doc, member) != TG_STRING)
        CHECK(o->error_code[0] == '\0');
    else if (is_plain(tg_doc_string(&doc, member)))
        CHECK(tg_str_eq(tg_str_of(o->error_code), tg_doc_string(&doc, member)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < 4 ? size : 4;
    struct tg_str sizes = {(const char *)data, n}, body = {(const char *)data + n, size - n};
    struct tg_outcome whole, pieces;
    struct tg_arena arena;

    tg_outcome_init(&whole);
    tg_outcome_read(&whole, body);
    read_pieces(&pieces, body, sizes);
    CHECK(whole.failed == pieces.failed && strcmp(whole.error_code, pieces.error_code) == 0);
    tg_arena_init(&arena);
    compare(&whole, &arena, body);
    tg_arena_end(&arena);
    return 0;
}
