/* The API's error body, widened (contract section 5). */
#include "base/check.h"
#include "chain/request.h"

#include <stdio.h>

/* A finding's sentence as a JSON string. */
static void answer_add_text(struct tg_buf *out, const struct tg_finding *f, bool chinese)
{
    struct tg_buf text = {0};

    tg_finding_text(&text, f, chinese);
    tg_buf_json(out, tg_buf_str(&text));
    tg_buf_end(&text);
}

/* One finding with its place in what the client sent. */
static void answer_add_finding(struct tg_buf *out, const struct tg_finding *f,
                               struct tg_place place)
{
    const struct tg_error_info *info = tg_error_info(f->error);

    tg_buf_puts(out, "\n   {\"pointer\": ");
    tg_buf_json(out, f->pointer);
    if (place.line > 0)
        tg_buf_printf(out, ", \"line\": %u, \"column\": %u", place.line, place.column);
    tg_buf_puts(out, ", \"rule\": ");
    tg_buf_json(out, tg_str_of(f->rule));
    if (f->policy.n > 0) {
        tg_buf_puts(out, ", \"policy\": ");
        tg_buf_json(out, f->policy);
    }
    tg_buf_printf(out, ", \"code\": \"%s\",\n    \"message\": ", info->code);
    answer_add_text(out, f, false);
    tg_buf_puts(out, ", \"message_zh\": ");
    answer_add_text(out, f, true);
    tg_buf_putc(out, '}');
}

/* All violations in one sentence: many clients show nothing but this text. */
static void add_sentence(struct tg_buf *out, const struct tg_request *r,
                         const struct tg_place *places, bool chinese)
{
    unsigned n = r->report.violations;
    const char *separator = "";
    bool body = r->doc != NULL || tg_report_violation(&r->report)->error != TG_E_POLICY;
    unsigned i = 0;

    if (chinese)
        tg_buf_printf(out, body ? "请求体有 %u 个问题: " : "请求有 %u 个问题: ", n);
    else
        tg_buf_printf(out, "%u problem%s in the request%s: ", n, n == 1 ? "" : "s",
                      body ? " body" : "");
    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next, i++) {
        if (f->severity != TG_VIOLATION)
            continue;
        tg_buf_puts(out, separator);
        tg_buf_add(out, f->pointer);
        tg_buf_puts(out, f->pointer.n > 0 ? " " : "");
        tg_finding_text(out, f, chinese);
        if (places[i].line > 0)
            tg_buf_printf(out, chinese ? " (第 %u 行, 第 %u 列)" : " (line %u, column %u)",
                          places[i].line, places[i].column);
        separator = "; ";
    }
}

static void add_simple_sentence(struct tg_buf *out, const struct tg_request *r, bool chinese)
{
    const struct tg_error_info *info = tg_error_info(r->error);
    struct tg_str detail =
        chinese && r->error_detail_zh.n > 0 ? r->error_detail_zh : r->error_detail;

    tg_buf_puts(out, chinese ? info->message_zh : info->message);
    if (detail.n > 0) {
        tg_buf_puts(out, ": ");
        tg_buf_add(out, detail);
    }
}

/* The places of all findings, in their order; in the arena. */
static struct tg_place *places_of(const struct tg_request *r)
{
    uint32_t offsets[2 * TG_MAX_FINDINGS]; /* violations and warnings */
    struct tg_place *places = tg_arena_zalloc(r->arena, 2 * TG_MAX_FINDINGS, sizeof(*places));
    unsigned n = 0;

    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next)
        offsets[n++] = f->offset;
    CHECK(n <= 2 * TG_MAX_FINDINGS);
    tg_doc_places(r->body, offsets, n, places);
    return places;
}

static void add_violations(struct tg_buf *out, const struct tg_request *r,
                           const struct tg_place *places)
{
    const char *separator = "";
    unsigned i = 0;

    tg_buf_puts(out, " \"violations\": [");
    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next, i++) {
        if (f->severity != TG_VIOLATION)
            continue;
        tg_buf_puts(out, separator);
        answer_add_finding(out, f, places[i]);
        separator = ",";
    }
    tg_buf_puts(out, "]");
}

void tg_request_answer(const struct tg_request *r, struct tg_buf *out, int *status)
{
    const struct tg_finding *first = tg_report_violation(&r->report);
    const struct tg_error_info *info = tg_error_info(first != NULL ? first->error : r->error);
    bool chinese = tg_request_prefers_chinese(r);
    struct tg_place *places = first != NULL ? places_of(r) : NULL;
    struct tg_buf message = {0};

    CHECK(info->status != 0);
    *status = info->status;
    if (first != NULL)
        add_sentence(&message, r, places, chinese);
    else
        add_simple_sentence(&message, r, chinese);
    tg_buf_printf(
        out, "{\"is_success\": false,\n \"error_code\": \"%s\",\n \"error_message\": ", info->code);
    tg_buf_json(out, tg_buf_str(&message));
    tg_buf_puts(out, ",\n \"error_msg\": ");
    tg_buf_json(out, tg_buf_str(&message));
    tg_buf_puts(out, ",\n \"request_id\": ");
    tg_buf_json(out, r->request_id);
    tg_buf_puts(out, ",\n");
    if (first != NULL)
        add_violations(out, r, places);
    else
        tg_buf_puts(out, " \"violations\": []");
    tg_buf_puts(out, "}\n");
    tg_buf_end(&message);
}
