#include "keeper/store_scripts.h"

#define BEGIN                                                                                      \
    "#!lua\n"                                                                                      \
    "local time = redis.call('TIME')\n"                                                            \
    "local now = time[1] * 1000000 + time[2]\n"

/* A value is until when the key is used up, and when that was written. One that was written in what
 * is the future now is of another clock: what it is ahead stays, so that nobody waits for the clock
 * to come there again. Numbers of Lua show 14 digits unless they are told to show all. */
const char *const tg_store_scripts[TG_STORE_SCRIPTS] = {
    [TG_STORE_CHARGE] = BEGIN
    "local used_up, written = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')\n"
    "used_up, written = tonumber(used_up) or now, tonumber(written) or now\n"
    "if written > now then used_up = used_up - written + now end\n"
    "used_up = math.max(math.max(used_up, now) + ARGV[1], now)\n"
    "redis.call('SET', KEYS[1], string.format('%.0f %.0f', used_up, now), 'PX',\n"
    "    string.format('%.0f', (used_up - now) / 1000 + 1000))\n"
    "return string.format('%.0f', used_up - now)\n",

    [TG_STORE_BEAT] =
        BEGIN "local lease = tonumber(ARGV[2])\n"
              "redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + lease))\n"
              "redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease / 500))\n"
              "local all, live = redis.call('HGETALL', KEYS[1]), 0\n"
              "for i = 1, #all, 2 do\n"
              "    local ends = tonumber(all[i + 1]) or 0\n"
              "    if ends > now and ends <= now + 2 * lease then\n"
              "        live = live + 1\n"
              "    else\n"
              "        redis.call('HDEL', KEYS[1], all[i])\n"
              "    end\n"
              "end\n"
              "return live\n",
};
