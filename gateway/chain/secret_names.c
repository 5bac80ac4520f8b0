#include "chain/secret_names.h"

#include "base/buf.h"
#include "base/chars.h"

/* --- patterns --- */

static unsigned char lower(char c)
{
    return (unsigned char)tg_char_lower(c);
}

static bool is_upper(char c)
{
    return tg_char_is(c, TG_CHAR_UPPER);
}

static bool is_digit(char c)
{
    return tg_char_is(c, TG_CHAR_DIGIT);
}

static bool is_letter(char c)
{
    return tg_char_is(c, TG_CHAR_LETTER) || (unsigned char)c >= 0x80;
}

/* A pattern with stars against a whole name. One star is tried at a time, so the work is bounded by
 * the product of both lengths. */
static bool glob(struct tg_str pattern, struct tg_str name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t from = 0;

    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.n && lower(pattern.p[p]) == lower(name.p[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* True when a new word begins at `i`: fooBar has it at B, HTTPToken at T. */
static bool word_starts(struct tg_str s, size_t i)
{
    if (!is_upper(s.p[i]))
        return false;
    return !is_upper(s.p[i - 1]) || (i + 1 < s.n && is_letter(s.p[i + 1]) && !is_upper(s.p[i + 1]));
}

/* Takes the next word off `*rest`, without digits at its end; false when there is none. */
static bool next_word(struct tg_str *rest, struct tg_str *word)
{
    size_t n = 1;

    while (rest->n > 0 && !is_letter(*rest->p))
        *rest = tg_str_skip(*rest, 1);
    if (rest->n == 0)
        return false;
    while (n < rest->n && (is_letter(rest->p[n]) || is_digit(rest->p[n])) && !word_starts(*rest, n))
        n++;
    *word = (struct tg_str){rest->p, n};
    *rest = tg_str_skip(*rest, n);
    while (is_digit(word->p[word->n - 1]))
        word->n--;
    return true;
}

static bool matches_word(const struct tg_audit_conf *c, struct tg_str word)
{
    for (unsigned i = 0; i < c->nredact; i++)
        if (c->redact[i].n == word.n && lower(*c->redact[i].p) == lower(*word.p) &&
            tg_str_ieq(c->redact[i], word))
            return true;
    return false;
}

static bool matches(const struct tg_audit_conf *c, struct tg_str name)
{
    struct tg_str rest = name;
    struct tg_str word;

    while (next_word(&rest, &word))
        if (matches_word(c, word))
            return true;
    for (unsigned i = 0; i < c->nredact; i++)
        if (glob(c->redact[i], name))
            return true;
    return false;
}

bool tg_name_matches(const struct tg_audit_conf *c, struct tg_str name)
{
    return name.n > 0 && matches(c, name);
}

const struct tg_str tg_naming_members[TG_NAMING_MEMBERS] = {{"label", 5}, {"key", 3}, {"name", 4}};

bool tg_name_is_naming(struct tg_str name)
{
    for (size_t i = 0; i < TG_NAMING_MEMBERS; i++)
        if (tg_str_eq(name, tg_naming_members[i]))
            return true;
    return false;
}

/* --- what is known of names --- */

void tg_names_init(struct tg_names *n, const struct tg_audit_conf *conf)
{
    *n = (struct tg_names){.conf = conf};
}

static unsigned find_facts(const struct tg_audit_conf *c, struct tg_str name)
{
    unsigned facts = tg_name_is_naming(name) ? TG_NAME_NAMES : 0;

    if (tg_name_matches(c, name))
        facts |= TG_NAME_MATCHES;
    if (tg_json_plain(name) == name.n)
        facts |= TG_NAME_IS_PLAIN;
    if (tg_str_eq(name, TG_STR("value")))
        facts |= TG_NAME_VALUE;
    if (tg_str_eq(name, TG_STR("parameter")))
        facts |= TG_NAME_PARAMETER;
    if (tg_str_eq(name, TG_STR("user_command")))
        facts |= TG_NAME_COMMAND;
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
