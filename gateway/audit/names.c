/* The memory of members' names. */
#include "audit/names.h"

#include "base/buf.h"

void tg_names_init(struct tg_names *n, const struct tg_audit_conf *conf)
{
    *n = (struct tg_names){.conf = conf};
}

static unsigned find_facts(const struct tg_audit_conf *c, struct tg_str name)
{
    unsigned facts = tg_name_is_naming(name) ? TG_NAME_NAMES : 0;

    if (tg_name_matches(c->redact, c->nredact, name))
        facts |= TG_NAME_MATCHES;
    if (tg_json_plain(name) == name.n)
        facts |= TG_NAME_IS_PLAIN;
    if (tg_str_eq(name, TG_STR("value")))
        facts |= TG_NAME_VALUE;
    return facts;
}

/* What stands between the first and the last eight bytes, by words that overlap with these. */
static bool same_middle(const struct tg_name_memo *memo, struct tg_str name)
{
    for (size_t at = 8; at < name.n - 8; at += 8)
        if (memcmp(memo->name + at, name.p + at, 8) != 0)
            return false;
    return true;
}

static bool is_of(const struct tg_name_memo *memo, struct tg_str name, struct tg_str_words words)
{
    return memo->n == name.n && memo->words.first == words.first &&
           memo->words.last == words.last && (name.n <= 16 || same_middle(memo, name));
}

/* Rare, and kept out of its caller. */
__attribute__((noinline)) static unsigned learn(struct tg_names *names, struct tg_name_memo *memo,
                                                struct tg_str name, struct tg_str_words words)
{
    memo->n = (uint8_t)name.n;
    memo->words = words;
    memcpy(memo->name, name.p, name.n);
    memo->facts = (uint8_t)find_facts(names->conf, name);
    return memo->facts;
}

unsigned tg_names_look(struct tg_names *names, struct tg_str name)
{
    struct tg_name_memo *memo;
    struct tg_str_words words;

    if (name.n == 0 || name.n > TG_NAME_KEPT)
        return find_facts(names->conf, name);
    words = tg_str_words(name);
    memo = &names->memo[tg_str_words_hash(words, name.n) % TG_NAMES_KEPT];
    return is_of(memo, name, words) ? memo->facts : learn(names, memo, name, words);
}
