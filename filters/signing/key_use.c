/* Refusals of the gateway's own keys. */
#include "signing/key_use.h"

#include "base/check.h"

#include <stdatomic.h>

#define SECOND UINT64_C(1000000)

const char *const tg_key_result_words[TG_KEY_RESULTS] = {
    [TG_KEY_SIGNED] = "signed", [TG_KEY_MISSING] = "missing", [TG_KEY_PAUSED] = "paused"};

/* APIG: gateways of the service, in two spellings; ModelArts: its own. */
const char *const tg_key_code_words[TG_KEY_CODES] = {
    "APIG.0301",      "APIG.0303",      "APIGW.0301",     "APIGW.0303",
    "ModelArts.0207", "ModelArts.0208", "ModelArts.0211", "other"};

int tg_key_code(struct tg_str error_code)
{
    for (int i = 0; i < TG_KEY_CODES - 1; i++)
        if (tg_str_eq(error_code, tg_str_of(tg_key_code_words[i])))
            return i;
    return -1;
}

static uint32_t serial_of(uint64_t row)
{
    return (uint32_t)(row >> 32);
}

static uint32_t count_of(uint64_t row)
{
    return (uint32_t)row;
}

static uint64_t make_row(uint32_t serial, uint32_t count)
{
    return (uint64_t)serial << 32 | count;
}

/* How long a key rests after so many refusals. */
static uint64_t pause_after(uint32_t count)
{
    if (count < TG_KEY_TRIES)
        return 0;
    return (count < TG_KEY_TRIES_MOST ? TG_KEY_PAUSE_S : TG_KEY_LONG_PAUSE_S) * SECOND;
}

bool tg_key_use_rests(const struct tg_key_use *u, uint32_t serial, uint64_t now, unsigned *wait)
{
    uint64_t row = atomic_load_explicit(&u->row, memory_order_relaxed);
    uint64_t next = atomic_load_explicit(&u->next, memory_order_relaxed);

    if (serial_of(row) != serial || count_of(row) < TG_KEY_TRIES || now >= next)
        return false;
    *wait = (unsigned)((next - now) / SECOND) + 1;
    return true;
}

/* Takes the turn of trying a refused key; one request has it. */
static bool take_turn(struct tg_key_use *u, uint32_t count, uint64_t now, unsigned *wait)
{
    uint64_t next = atomic_load(&u->next);
    uint64_t pause = pause_after(count);

    while (now >= next)
        if (atomic_compare_exchange_weak(&u->next, &next,
                                         now + (pause > 0 ? pause : TG_KEY_PROBE_US)))
            return true;
    *wait = (unsigned)((next - now) / SECOND) + 1;
    return false;
}

bool tg_key_use_begin(struct tg_key_use *u, uint32_t serial, uint64_t now, unsigned *wait)
{
    uint64_t row = atomic_load_explicit(&u->row, memory_order_relaxed);
    bool good =
        serial_of(row) != serial || count_of(row) == 0 || take_turn(u, count_of(row), now, wait);

    atomic_fetch_add_explicit(&u->results[good ? TG_KEY_SIGNED : TG_KEY_PAUSED], 1,
                              memory_order_relaxed);
    return good;
}

void tg_key_use_missing(struct tg_key_use *u)
{
    atomic_fetch_add_explicit(&u->results[TG_KEY_MISSING], 1, memory_order_relaxed);
}

void tg_key_use_passed(struct tg_key_use *u, uint32_t serial)
{
    uint64_t row = atomic_load_explicit(&u->row, memory_order_relaxed);

    while (serial_of(row) == serial && count_of(row) > 0)
        if (atomic_compare_exchange_weak(&u->row, &row, make_row(serial, 0)))
            return;
}

/* Serials grow: a refusal of an earlier key says nothing about this one. */
unsigned tg_key_use_refused(struct tg_key_use *u, uint32_t serial, uint64_t now, int code)
{
    uint64_t row = atomic_load(&u->row);
    uint32_t count;

    CHECK(code >= 0 && code < TG_KEY_CODES);
    atomic_fetch_add(&u->refused[code], 1);
    do {
        if ((int32_t)(serial - serial_of(row)) < 0)
            return 0;
        count = serial_of(row) == serial ? count_of(row) + 1 : 1;
    } while (!atomic_compare_exchange_weak(&u->row, &row, make_row(serial, count)));
    atomic_store(&u->next, now + pause_after(count));
    return count;
}
