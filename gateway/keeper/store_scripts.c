/* The scripts of Lua that a Redis runs for the limits it stores. */
#include "keeper/store_scripts.h"

#define BEGIN                                                                                      \
    "#!lua\n"                                                                                      \
    "local time = redis.call('TIME')\n"                                                            \
    "local now = time[1] * 1000000 + time[2]\n"

#define READ                                                                                       \
    "local used_up, written = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')\n"   \
    "used_up, written = tonumber(used_up) or now, tonumber(written) or now\n"                      \
    "if written > now then used_up = used_up - written + now end\n"

#define WRITE                                                                                      \
    "redis.call('SET', KEYS[1], string.format('%.0f %.0f', used_up, now), 'PX',\n"                 \
    "    string.format('%.0f', (used_up - now) / 1000 + 1000))\n"

/* A value is until when the key is used up, and when that was written. One that was written in what
 * is the future now is of another clock: what it is ahead stays, so that nobody waits for the clock
 * to come there again. So it is with what gateways hold: how many, until when, and when that was
 * written. Numbers of Lua show 14 digits unless they are told to show all. */
const char *const tg_store_scripts[TG_STORE_SCRIPTS] = {
    [TG_STORE_CHARGE] =
        BEGIN READ "used_up = math.max(math.max(used_up, now) + ARGV[1], now)\n" WRITE
                   "return string.format('%.0f', used_up - now)\n",

    [TG_STORE_TAKE] =
        BEGIN READ "used_up = math.max(used_up, now)\n"
                   "if used_up - now > tonumber(ARGV[2]) then return {0, used_up - now} end\n"
                   "used_up = used_up + ARGV[1]\n" WRITE "return {1, used_up - now}\n",

    [TG_STORE_HOLD] = BEGIN
    "local have, want, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])\n"
    "local lease, all, others = tonumber(ARGV[5]), redis.call('HGETALL', KEYS[1]), 0\n"
    "for i = 1, #all, 2 do\n"
    "    local n, ends, written = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')\n"
    "    n, ends, written = tonumber(n) or 0, tonumber(ends) or 0, tonumber(written) or 0\n"
    "    if all[i] == ARGV[1] then\n"
    "    elseif ends <= now then\n"
    "        redis.call('HDEL', KEYS[1], all[i])\n"
    "    else\n"
    "        others = others + n\n"
    "        if written > now then\n"
    "            redis.call('HSET', KEYS[1], all[i],\n"
    "                string.format('%.0f %.0f %.0f', n, ends - written + now, now))\n"
    "        end\n"
    "    end\n"
    "end\n"
    "local granted = math.max(math.min(want, most - others - have), 0)\n"
    "if have + granted > 0 then\n"
    "    redis.call('HSET', KEYS[1], ARGV[1],\n"
    "        string.format('%.0f %.0f %.0f', have + granted, now + lease, now))\n"
    "    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease / 500))\n"
    "else\n"
    "    redis.call('HDEL', KEYS[1], ARGV[1])\n"
    "end\n"
    "return {granted, others + have + granted}\n",

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
