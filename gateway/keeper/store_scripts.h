/* What is done in the server, as one step each: Lua for Redis 7, which refuses a script with this
 * first line as a whole when it may not write. Times are the server's, microseconds. */
#ifndef TG_KEEPER_STORE_SCRIPTS_H
#define TG_KEEPER_STORE_SCRIPTS_H

enum tg_store_script {
    /* KEYS: a rate's key; ARGV: what to charge, microseconds, may be negative. Answers until when
     * the key is used up, from now on. */
    TG_STORE_CHARGE,
    /* KEYS: the hash of all gateways; ARGV: this one, its lease. Answers how many live. */
    TG_STORE_BEAT,
    TG_STORE_SCRIPTS
};

extern const char *const tg_store_scripts[TG_STORE_SCRIPTS];

#endif
