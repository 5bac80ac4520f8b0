/* Computes the hash chain, line by line. */
#include "audit/chain.h"

#include "base/chars.h"
#include "base/check.h"

static const char tail_start[] = ",\"chain\":\"";

void tg_audit_chain_init(struct tg_audit_chain *c, struct tg_str key)
{
    unsigned char id[TG_SHA256];
    struct tg_str purpose = TG_STR("trainguard audit key id");

    *c = (struct tg_audit_chain){.hash = tg_hash_new(key), .keyed = key.n > 0};
    memset(c->at, '0', sizeof(c->at));
    memset(c->key_id, '0', sizeof(c->key_id));
    if (c->keyed) {
        tg_hash_hmac(c->hash, &purpose, 1, id);
        tg_hex(id, TG_KEY_ID_HEX / 2, c->key_id);
    }
}

void tg_audit_chain_end(struct tg_audit_chain *c)
{
    tg_hash_end(c->hash);
    c->hash = NULL;
}

void tg_audit_chain_follow(struct tg_audit_chain *c, const char *previous, struct tg_str text,
                           char out[TG_SHA256_HEX])
{
    const struct tg_str parts[] = {{previous, TG_SHA256_HEX}, text};
    unsigned char digest[TG_SHA256];

    CHECK(c->hash != NULL);
    if (c->keyed)
        tg_hash_hmac(c->hash, parts, 2, digest);
    else
        tg_hash_sha256(parts, 2, digest);
    tg_hex(digest, sizeof(digest), out);
}

void tg_audit_chain_seal(struct tg_audit_chain *c, struct tg_buf *b, size_t start)
{
    char *p = tg_buf_room(b, TG_AUDIT_CHAIN_TAIL + 1);

    CHECK(start < b->n && b->p[start] == '{');
    tg_audit_chain_follow(c, c->at, (struct tg_str){b->p + start, b->n - start}, c->at);
    memcpy(p, tail_start, sizeof(tail_start) - 1);
    memcpy(p + sizeof(tail_start) - 1, c->at, TG_SHA256_HEX);
    memcpy(p + TG_AUDIT_CHAIN_TAIL - 2, "\"}\n", 3);
    b->n += TG_AUDIT_CHAIN_TAIL + 1;
}

bool tg_audit_chain_split(struct tg_str line, struct tg_str *text, struct tg_str *hex)
{
    const char *tail;

    if (line.n <= TG_AUDIT_CHAIN_TAIL || !tg_str_ends(line, TG_STR("\"}")))
        return false;
    tail = line.p + line.n - TG_AUDIT_CHAIN_TAIL;
    if (memcmp(tail, tail_start, sizeof(tail_start) - 1) != 0)
        return false;
    *text = (struct tg_str){line.p, line.n - TG_AUDIT_CHAIN_TAIL};
    *hex = (struct tg_str){tail + sizeof(tail_start) - 1, TG_SHA256_HEX};
    return tg_chars_are(*hex, TG_CHAR_LOWER_HEX);
}
