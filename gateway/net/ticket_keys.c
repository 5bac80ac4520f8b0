/* Draws, replaces and finds the keys of session tickets. */
#include "net/ticket_keys.h"

#include "base/check.h"

static void derive(const unsigned char secret[TG_SHA256], const char *label,
                   unsigned char out[TG_SHA256])
{
    tg_hmac_sha256((struct tg_str){(const char *)secret, TG_SHA256}, tg_str_of(label), out);
}

/* The current secret's keys come first, what was there moves behind them. */
static void push_key(struct tg_ticket_keys *t)
{
    struct tg_ticket_key *key = &t->keys[0];
    unsigned char name[TG_SHA256];

    t->keys[1] = t->keys[0];
    derive(t->secret, "ticket name", name);
    memcpy(key->name, name, sizeof(key->name));
    derive(t->secret, "ticket cipher", key->cipher);
    derive(t->secret, "ticket mac", key->mac);
}

void tg_ticket_keys_renew(struct tg_ticket_keys *t, int64_t rotation, uint64_t now)
{
    CHECK(rotation > 0);
    t->rotation = rotation;
    t->epoch = now / (uint64_t)rotation;
    tg_random(t->secret, sizeof(t->secret));
    push_key(t);
    t->nkeys = 2;
}

void tg_ticket_keys_fix(struct tg_ticket_keys *t, const struct tg_ticket_key *keys, unsigned n)
{
    CHECK(n >= 1 && n <= TG_TICKET_KEYS);
    *t = (struct tg_ticket_keys){.nkeys = n};
    memcpy(t->keys, keys, n * sizeof(*keys));
}

void tg_ticket_key_read(struct tg_ticket_key *key, const char bytes[TG_TICKET_FILE])
{
    memcpy(key->name, bytes, sizeof(key->name));
    bytes += sizeof(key->name);
    memcpy(key->mac, bytes, sizeof(key->mac));
    memcpy(key->cipher, bytes + sizeof(key->mac), sizeof(key->cipher));
}

void tg_ticket_keys_init(struct tg_ticket_keys *t, int64_t rotation, uint64_t now)
{
    *t = (struct tg_ticket_keys){0};
    tg_ticket_keys_renew(t, rotation, now);
    t->keys[1] = t->keys[0]; /* not a key of zeros */
}

/* After a long sleep the hash is taken once per epoch missed: the same for everybody. */
void tg_ticket_keys_advance(struct tg_ticket_keys *t, uint64_t now)
{
    uint64_t epoch;

    if (t->rotation == 0)
        return;
    CHECK(t->rotation > 0);
    epoch = now / (uint64_t)t->rotation;
    for (; t->epoch < epoch; t->epoch++) {
        unsigned char next[TG_SHA256];

        derive(t->secret, "next secret", next);
        memcpy(t->secret, next, sizeof(t->secret));
        tg_wipe(next, sizeof(next));
        push_key(t);
    }
}

int tg_ticket_keys_find(const struct tg_ticket_keys *t, const unsigned char name[TG_TICKET_NAME])
{
    for (unsigned i = 0; i < t->nkeys; i++)
        if (memcmp(t->keys[i].name, name, TG_TICKET_NAME) == 0)
            return (int)i;
    return -1;
}
