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

/* Clients are told apart by their addresses, as limits tell them: whoever has begun many bodies
 * makes room, not who sends the largest one. Two that fall into one group are as one. */
enum { GROUPS = 1024 };

static unsigned group_of(const struct tg_exchange *x)
{
    char text[TG_LIMIT_ADDRESS];
    struct tg_str key = tg_limit_address(x->request.client_address, text);
    uint64_t h = x->all->seed;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    return (unsigned)((h ^ h >> 32) % GROUPS);
}

/* What a body takes that is still being collected, `more` of it for `asks`; 0: it cannot give way.
 */
static uint64_t size_of(const struct tg_exchange *x, const struct tg_exchange *asks, size_t more)
{
    if (x == asks)
        return x->body_memory + more;
    if (x == NULL || x->phase == TG_PHASE_END || x->streamed || x->body_complete)
        return 0;
    return x->body_memory;
}

/* The group whose bodies take most together. */
static unsigned largest_group(const struct tg_exchange *asks, size_t more)
{
    uint64_t total[GROUPS] = {0};
    unsigned most = group_of(asks);

    for (uint32_t i = 0; i < asks->all->nslots; i++) {
        const struct tg_exchange *x = asks->all->slots[i].exchange;
        uint64_t size = size_of(x, asks, more);

        if (size > 0)
            total[group_of(x)] += size;
    }
    for (unsigned i = 0; i < GROUPS; i++)
        if (total[i] > total[most])
            most = i;
    return most;
}

/* The largest body of that group; it may be that of `asks`. */
static struct tg_exchange *largest(struct tg_exchange *asks, size_t more)
{
    unsigned group = largest_group(asks, more);
    struct tg_exchange *found = NULL;
    uint64_t most = 0;

    for (uint32_t i = 0; i < asks->all->nslots; i++) {
        struct tg_exchange *x = asks->all->slots[i].exchange;
        uint64_t size = size_of(x, asks, more);

        if (size > most && group_of(x) == group) {
            most = size;
            found = x;
        }
    }
    return found != NULL ? found : asks;
}

bool tg_exchange_body_fits(struct tg_exchange *x, size_t more)
{
    const struct tg_exchanges *all = x->all;

    CHECK(tg_exchanges_memory(all) >= x->body_memory);
    if (x->body_memory + more == 0)
        return true; /* whatever others take */
    while (all->body_memory_most > 0 && tg_exchanges_memory(all) + more > all->body_memory_most) {
        struct tg_exchange *other = largest(x, more);

        give_way(other);
        if (other == x)
            return false;
    }
    return true;
}
