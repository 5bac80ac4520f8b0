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
    uint64_t epoch = now / (uint64_t)t->rotation;

    CHECK(t->rotation > 0);
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
    for (int i = 0; i < TG_TICKET_KEYS; i++)
        if (memcmp(t->keys[i].name, name, TG_TICKET_NAME) == 0)
            return i;
    return -1;
}
