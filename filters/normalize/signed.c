/* Signed requests: their signature covers the body, so a change would break it (contract section
 * 6). */
#include "base/check.h"
#include "normalize/internal.h"

static bool covers_body(const struct tg_request *r)
{
    return r->credentials == TG_CRED_SIGNED &&
           !tg_str_eq(tg_request_field(r, TG_STR("X-Sdk-Content-Sha256")),
                      TG_STR("UNSIGNED-PAYLOAD"));
}

/* How the client would have to send it, so that nothing needs a change. */
static void report_change(struct tg_request *r, const struct tg_change *change)
{
    static const struct {
        const char *text, *text_zh;
    } ways[] = {
        [TG_CHANGE_REPLACE] = {"write it as", "应写作"},
        [TG_CHANGE_RENAME] = {"call it", "应命名为"},
        [TG_CHANGE_REMOVE] = {"leave it out", "应去掉"},
        [TG_CHANGE_ADD] = {"add it as", "应添加为"},
    };
    struct tg_str as = change->op == TG_CHANGE_RENAME ? change->to : change->new_text;
    struct tg_finding f = {.severity = TG_VIOLATION,
                           .rule = "signed_change",
                           .error = TG_E_SIGNED_CHANGE,
                           .pointer = change->pointer,
                           .offset = change->op == TG_CHANGE_ADD ? TG_NONE : change->offset};

    CHECK(change->op >= TG_CHANGE_REPLACE && change->op <= TG_CHANGE_ADD);
    if (r->report.violations < TG_MAX_FINDINGS) {
        f.message = tg_arena_printf(
            r->arena, "needs the change %s, which the signature forbids: %s%s%.*s, then sign",
            change->why, ways[change->op].text, as.n > 0 ? " " : "", TG_STR_ARG(as));
        f.message_zh = tg_arena_printf(r->arena, "需要修改 (%s), 但签名不允许: %s%s%.*s 后重新签名",
                                       change->why, ways[change->op].text_zh, as.n > 0 ? " " : "",
                                       TG_STR_ARG(as));
    }
    tg_report_add(&r->report, &f);
}

void tg_normal_forbidden(struct tg_request *r)
{
    if (!covers_body(r))
        return;
    for (const struct tg_change *c = r->doc->changes; c != NULL; c = c->next)
        report_change(r, c);
}
