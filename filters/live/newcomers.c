/* Newcomers by address: a table whose places are taken over, so that it never grows. */
#include "live/newcomers.h"

#include "base/address.h"
#include "base/check.h"
#include "base/crypto.h"

#include <stdlib.h>

enum { PLACES = 4096 };

#define MINUTE UINT64_C(60000000)

struct place {
    uint64_t name; /* of the address */
    uint64_t since;
    uint64_t count;
};

struct tg_newcomers {
    uint64_t seed; /* nobody outside can choose who shares a place */
    struct place place[PLACES];
};

struct tg_newcomers *tg_newcomers_new(void)
{
    struct tg_newcomers *n = calloc(1, sizeof(*n));

    CHECK(n != NULL);
    tg_random(&n->seed, sizeof(n->seed));
    return n;
}

static uint64_t name_of(const struct tg_newcomers *n, struct tg_str address)
{
    uint64_t hash = n->seed | 1;
    unsigned char v6[16];

    if (tg_address_read(AF_INET6, address, v6))
        address = (struct tg_str){(const char *)v6, 8};
    for (size_t i = 0; i < address.n; i++)
        hash = (hash ^ (unsigned char)address.p[i]) * 0x100000001b3;
    return hash;
}

bool tg_newcomers_admit(struct tg_newcomers *n, struct tg_str address, uint64_t now, uint64_t most)
{
    uint64_t name = name_of(n, address);
    struct place *p = &n->place[(name ^ name >> 32) % PLACES];

    if (p->name != name || now - p->since >= MINUTE)
        *p = (struct place){name, now, 0};
    return ++p->count <= most;
}
