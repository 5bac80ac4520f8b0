/* What is done in the server, as one step each: Lua for Redis 7, which refuses a script with this
 * first line as a whole when it may not write. Times are the server's, microseconds. */
#ifndef TG_KEEPER_STORE_SCRIPTS_H
#define TG_KEEPER_STORE_SCRIPTS_H

enum tg_store_script {
    /* KEYS: a rate's key; ARGV: what to charge, microseconds, may be negative. Answers until when
     * the key is used up, from now on. */
    TG_STORE_CHARGE,
    /* KEYS: a rate's key; ARGV: what one request is charged, what may be used up before it, both
     * microseconds. Answers whether it was charged, 1 or 0, and until when the key is used up, from
     * now on. */
    TG_STORE_TAKE,
    /* KEYS: the hash of who holds what of a key; ARGV: this gateway, how many it has, how many more
     * it wants, how many there are for all, the lease. Answers how many more it has now, and how
     * many all have. */
    TG_STORE_HOLD,
    /* KEYS: the hash of all gateways; ARGV: this one, its lease. Answers how many live. */
    TG_STORE_BEAT,
    TG_STORE_SCRIPTS
};

extern const char *const tg_store_scripts[TG_STORE_SCRIPTS];

#endif
