/* The budget of what the bodies of a worker's requests take, and who gives way beyond it. */
#include "base/check.h"
#include "exchange/internal.h"

#include <inttypes.h>

static void give_way(struct tg_exchange *x)
{
    CHECK(x->phase != TG_PHASE_END);
    tg_exchange_end(
        x, TG_E_OVERLOADED,
        tg_arena_printf(&x->arena, "worker_body_memory is %" PRIu64, x->all->body_memory_most).p);
}

/* The largest body that is still being collected and takes more than `least` bytes, or NULL. */
static struct tg_exchange *largest(const struct tg_exchanges *all, uint64_t least)
{
    struct tg_exchange *found = NULL;

    for (uint32_t i = 0; i < all->nslots; i++) {
        struct tg_exchange *x = all->slots[i].exchange;

        if (x == NULL || x->phase == TG_PHASE_END || x->streamed || x->body_complete ||
            x->body_memory <= least)
            continue;
        least = x->body_memory;
        found = x;
    }
    return found;
}

bool tg_exchange_body_fits(struct tg_exchange *x, size_t more)
{
    const struct tg_exchanges *all = x->all;

    CHECK(tg_exchanges_memory(all) >= x->body_memory);
    if (x->body_memory + more == 0)
        return true; /* whatever others take */
    while (all->body_memory_most > 0 && tg_exchanges_memory(all) + more > all->body_memory_most) {
        struct tg_exchange *other = largest(all, x->body_memory + more);

        give_way(other != NULL ? other : x);
        if (other == NULL)
            return false;
    }
    return true;
}
