/* The changes of a document as an RFC 6902 patch. */
#include "base/buf.h"
#include "base/check.h"
#include "json/document.h"

/* The length of the JSON string, quotes included, that `s` begins with. */
static size_t string_length(struct tg_str s)
{
    size_t i = 1;

    while (i < s.n && s.p[i] != '"')
        i += s.p[i] == '\\' ? 2 : 1;
    return i < s.n ? i + 1 : s.n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* How much of `s` stands before white space between tokens, or its end. */
static size_t until_space(struct tg_str s)
{
    size_t n = 0;

    while (n < s.n && !is_space(s.p[n]))
        n += s.p[n] == '"' ? string_length(tg_str_skip(s, n)) : 1;
    return n;
}

/* JSON text without the white space between its tokens: a patch stands on one line. */
static void add_compact(struct tg_buf *out, struct tg_str json)
{
    while (json.n > 0) {
        size_t n = until_space(json);

        tg_buf_add(out, (struct tg_str){json.p, n});
        json = tg_str_skip(json, n);
        while (json.n > 0 && is_space(*json.p))
            json = tg_str_skip(json, 1);
    }
}

/* `test` with the value that was there. */
static void add_test(struct tg_buf *out, const struct tg_change *c)
{
    tg_buf_add(out, TG_STR("{\"op\":\"test\",\"path\":"));
    tg_buf_json(out, c->pointer);
    tg_buf_add(out, TG_STR(",\"value\":"));
    add_compact(out, c->old_text);
    tg_buf_add(out, TG_STR("},"));
}

/* `{"op":...,"path":...`, in the order the RFC's examples have. */
static void begin_operation(struct tg_buf *out, const struct tg_change *c)
{
    static const struct tg_str begins[] = {[TG_CHANGE_REPLACE] = {"{\"op\":\"replace\"", 15},
                                           [TG_CHANGE_RENAME] = {"{\"op\":\"move\",\"from\":", 20},
                                           [TG_CHANGE_REMOVE] = {"{\"op\":\"remove\"", 14},
                                           [TG_CHANGE_ADD] = {"{\"op\":\"add\"", 11}};

    CHECK(c->op >= TG_CHANGE_REPLACE && c->op <= TG_CHANGE_ADD);
    tg_buf_add(out, begins[c->op]);
    if (c->op == TG_CHANGE_RENAME)
        tg_buf_json(out, c->pointer);
    tg_buf_add(out, TG_STR(",\"path\":"));
    tg_buf_json(out, c->op == TG_CHANGE_RENAME ? c->to : c->pointer);
}

/* The value that goes, and the new one. A name that changes leaves its value alone. */
static void add_values(struct tg_buf *out, const struct tg_change *c,
                       const struct tg_patch_record *record)
{
    bool shown = c->op != TG_CHANGE_RENAME && (record == NULL || record->tells(record->owner, c));

    if (record != NULL && shown && c->op != TG_CHANGE_ADD) {
        tg_buf_add(out, TG_STR(",\"was\":"));
        add_compact(out, c->old_text);
    }
    if (c->op != TG_CHANGE_REPLACE && c->op != TG_CHANGE_ADD)
        return;
    tg_buf_add(out, TG_STR(",\"value\":"));
    if (shown)
        add_compact(out, c->new_text);
    else
        tg_buf_add(out, TG_STR("\"(hidden)\""));
}

static void add_change(struct tg_buf *out, const struct tg_change *c,
                       const struct tg_patch_record *record)
{
    if (record == NULL && c->op != TG_CHANGE_ADD)
        add_test(out, c);
    begin_operation(out, c);
    add_values(out, c, record);
    if (record != NULL) {
        tg_buf_add(out, TG_STR(",\"why\":"));
        tg_buf_json(out, tg_str_of(c->why));
    }
    tg_buf_putc(out, '}');
}

void tg_doc_patch(const struct tg_doc *d, const struct tg_patch_record *record, struct tg_buf *out)
{
    for (const struct tg_change *c = d->changes; c != NULL; c = c->next) {
        tg_buf_putc(out, c == d->changes ? '[' : ',');
        add_change(out, c, record);
    }
    tg_buf_add(out, d->changes == NULL ? TG_STR("[]") : TG_STR("]"));
}
