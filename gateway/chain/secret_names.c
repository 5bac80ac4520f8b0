/* Which names, and with them which values of a body, are secrets. */
#include "chain/secret_names.h"

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
static bool secret_names_next_word(struct tg_str *rest, struct tg_str *word)
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

static bool matches_word(const struct tg_str *patterns, unsigned n, struct tg_str word)
{
    for (unsigned i = 0; i < n; i++)
        if (patterns[i].n == word.n && lower(*patterns[i].p) == lower(*word.p) &&
            tg_str_ieq(patterns[i], word))
            return true;
    return false;
}

bool tg_name_matches(const struct tg_str *patterns, unsigned n, struct tg_str name)
{
    struct tg_str rest = name;
    struct tg_str word;

    if (name.n == 0)
        return false;
    while (secret_names_next_word(&rest, &word))
        if (matches_word(patterns, n, word))
            return true;
    for (unsigned i = 0; i < n; i++)
        if (glob(patterns[i], name))
            return true;
    return false;
}

#define PATTERN(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

const struct tg_str tg_secret_names[TG_SECRET_NAMES] = {
    PATTERN("*secret*"),     PATTERN("*password*"),   PATTERN("*passwd*"),
    PATTERN("*credential*"), PATTERN("*privatekey*"), PATTERN("*accesskey*"),
    PATTERN("*apikey*"),     PATTERN("passphrase"),   PATTERN("pwd"),
    PATTERN("token"),        PATTERN("authtoken"),    PATTERN("accesstoken"),
    PATTERN("signature"),    PATTERN("key"),          PATTERN("keys"),
    PATTERN("ak"),           PATTERN("sk"),           PATTERN("auth"),
    PATTERN("bearer"),       PATTERN("cookie"),       PATTERN("authorization"),
};

/* True when a name matches one of those. */
static bool is_secret_name(struct tg_str name)
{
    return tg_name_matches(tg_secret_names, TG_SECRET_NAMES, name);
}

const struct tg_str tg_naming_members[TG_NAMING_MEMBERS] = {{"label", 5}, {"key", 3}, {"name", 4}};

bool tg_name_is_naming(struct tg_str name)
{
    for (size_t i = 0; i < TG_NAMING_MEMBERS; i++)
        if (tg_str_eq(name, tg_naming_members[i]))
            return true;
    return false;
}

/* --- values --- */

enum { SECRET_LENGTH = 16 };

/* Keys and tokens are long words with letters and digits in them. */
static bool looks_random(struct tg_str text)
{
    bool letter = false;
    bool digit = false;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ')
            return false;
        letter = letter || is_letter(text.p[i]);
        digit = digit || is_digit(text.p[i]);
    }
    return text.n >= SECRET_LENGTH && letter && digit;
}

/* True when a member's name reads like `known`: case, "_" and "-" do not count. */
static bool reads_like(struct tg_str name, const char *known)
{
    size_t i = 0;

    for (; *known != '\0'; known++) {
        while (i < name.n && (name.p[i] == '_' || name.p[i] == '-'))
            i++;
        if (i == name.n || lower(name.p[i++]) != (unsigned char)*known)
            return false;
    }
    return i == name.n;
}

/* True when the object has a naming member that says `value` beside it is a secret. */
static bool names_secret(const struct tg_doc *d, uint32_t object)
{
    for (size_t i = 0; i < TG_NAMING_MEMBERS; i++) {
        uint32_t node = tg_doc_member(d, object, tg_naming_members[i]);

        if (node != TG_NONE && tg_doc_type(d, node) == TG_STRING &&
            is_secret_name(tg_doc_string(d, node)))
            return true;
    }
    return false;
}

/* True when what stands under the member `name` is a secret by that name. */
static bool member_is_secret(const struct tg_doc *d, uint32_t name)
{
    struct tg_str text = tg_doc_string(d, name);
    uint32_t object = tg_doc_parent(d, name);

    if (reads_like(text, "usercommand"))
        return true;
    if (tg_name_is_naming(text) && tg_doc_member(d, object, TG_STR("value")) != TG_NONE)
        return false;
    return is_secret_name(text) || (tg_str_eq(text, TG_STR("value")) && names_secret(d, object));
}

bool tg_secret_in_parameter(const struct tg_doc *d, uint32_t node)
{
    bool label = false;

    for (uint32_t up = tg_doc_parent(d, node); up != TG_NONE; up = tg_doc_parent(d, up)) {
        if (tg_doc_type(d, up) != TG_NAME)
            continue;
        if (reads_like(tg_doc_string(d, up), "parameter"))
            return !label;
        label = tg_name_is_naming(tg_doc_string(d, up));
    }
    return false;
}

static bool is_under_parameter(const struct tg_doc *d, uint32_t node)
{
    for (uint32_t up = tg_doc_parent(d, node); up != TG_NONE; up = tg_doc_parent(d, up))
        if (tg_doc_type(d, up) == TG_NAME && reads_like(tg_doc_string(d, up), "parameter"))
            return true;
    return false;
}

bool tg_secret_value(const struct tg_doc *d, uint32_t node)
{
    for (uint32_t up = node; up != TG_NONE; up = tg_doc_parent(d, up))
        if (tg_doc_type(d, up) == TG_NAME && member_is_secret(d, up))
            return true;
    return tg_doc_type(d, node) != TG_NAME && is_under_parameter(d, node) &&
           looks_random(tg_doc_text(d, node));
}
