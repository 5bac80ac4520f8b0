/* What the filters of look-ups share. */
#include "live/live.h"

#include "base/check.h"

const char *const tg_live_on_error_words[] = {"allow", "deny", "auto", NULL};
const char *const tg_live_allow_deny[] = {"allow", "deny", NULL};

enum tg_verdict tg_live_failed(struct tg_request *r, int on_error, const char *why,
                               const char *why_zh)
{
    CHECK(on_error == TG_LIVE_ALLOW || on_error == TG_LIVE_DENY);
    return on_error == TG_LIVE_DENY ? tg_reply(r, TG_E_LOOKUP, why, why_zh) : TG_NEXT;
}
