/*
 * What the audit log knows of members' names: the same few come with every request, and each is
 * judged by the patterns of audit_redact once.
 */
#ifndef TG_AUDIT_NAMES_H
#define TG_AUDIT_NAMES_H

#include "audit/conf.h"
#include "chain/secret_names.h"

/* What there is to know of a name, bits. */
enum tg_name_facts {
    TG_NAME_MATCHES = 1,  /* a pattern of audit_redact */
    TG_NAME_IS_PLAIN = 2, /* stands for itself in a JSON string */
    TG_NAME_NAMES = 4,    /* tg_name_is_naming() */
    TG_NAME_VALUE = 8,    /* value */
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
