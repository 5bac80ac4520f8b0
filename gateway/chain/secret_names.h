/*
 * Names of members as the audit log judges them: which ones match a pattern of audit_redact, and
 * which ones have a meaning of their own.
 *
 * A pattern without '*' matches a whole word of a name, or the whole name; words end at everything
 * but letters and digits and where a capital follows a small letter, and digits at a word's end do
 * not count: "token" matches auth_token, authToken and TOKEN2, not tokenizer. A pattern with '*'
 * matches the whole name.
 */
#ifndef TG_CHAIN_SECRET_NAMES_H
#define TG_CHAIN_SECRET_NAMES_H

#include "audit/conf.h"

/* True when a name matches one of the patterns. */
bool tg_name_matches(const struct tg_audit_conf *c, struct tg_str name);

/* The members whose value is the name of what the member `value` beside them holds. */
enum { TG_NAMING_MEMBERS = 3 };
extern const struct tg_str tg_naming_members[TG_NAMING_MEMBERS];

/* True for the name of one of them. */
bool tg_name_is_naming(struct tg_str name);

/* What there is to know of a name, bits. */
enum tg_name_facts {
    TG_NAME_MATCHES = 1,    /* a pattern */
    TG_NAME_IS_PLAIN = 2,   /* stands for itself in a JSON string */
    TG_NAME_NAMES = 4,      /* tg_name_is_naming() */
    TG_NAME_VALUE = 8,      /* value */
    TG_NAME_PARAMETER = 16, /* parameter: its elements are told by their names alone */
    TG_NAME_COMMAND = 32,   /* user_command: left out below body level full */
};

enum {
    TG_NAMES_KEPT = 256, /* names that are known */
    TG_NAME_KEPT = 46,   /* bytes of one */
};

/* A name that was looked at, and its facts. */
struct tg_name_memo {
    struct tg_str_words words;
    uint8_t n; /* 0: unused */
    uint8_t facts;
    char name[TG_NAME_KEPT];
};

/* The names of late: the same few come with every request. */
struct tg_names {
    const struct tg_audit_conf *conf; /* borrowed */
    struct tg_name_memo memo[TG_NAMES_KEPT];
};

/* Knows no name yet. */
void tg_names_init(struct tg_names *n, const struct tg_audit_conf *conf);

/* The facts of a name (enum tg_name_facts). */
unsigned tg_names_look(struct tg_names *names, struct tg_str name);

#endif
