/* The event base of a worker and its turns; what libevent has to say goes to the log. */
#include "net/loop.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>

/* Its own troubles, such as a call of the kernel that fails. */
static void on_message(int severity, const char *text)
{
    tg_log(severity >= EVENT_LOG_ERR    ? TG_LOG_ERROR
           : severity == EVENT_LOG_WARN ? TG_LOG_WARN
                                        : TG_LOG_NOTICE,
           "libevent", "%s", text);
}

const char *tg_loop_libevent(void)
{
    return event_get_version();
}

void tg_loop_open(struct tg_loop *l)
{
    struct event_config *config = event_config_new();

    event_set_log_callback(on_message);
    CHECK(config != NULL);
    CHECK(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(l->base != NULL);
}

void tg_loop_end(struct tg_loop *l)
{
    event_base_free(l->base);
    l->base = NULL;
}

bool tg_loop_made_room(const struct tg_loop *l, int error)
{
    return (error == EMFILE || error == ENFILE) && l->on_scarce != NULL && l->on_scarce(l->owner);
}

void tg_loop_turn(struct tg_loop *l)
{
    l->now = 0;
    l->wall = 0;
    CHECK(event_base_loop(l->base, EVLOOP_ONCE) >= 0);
}

void tg_loop_poll(struct tg_loop *l)
{
    CHECK(event_base_loop(l->base, EVLOOP_NONBLOCK) >= 0);
}
