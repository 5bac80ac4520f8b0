/*
 * What the words in answers, audit records and outputs mean, and how to mend what they name:
 * contract rules, normalizations, ends of a request, and the API's codes. Names and demands are
 * read from the tables the filters judge by; this unit adds the mending.
 */
#ifndef TG_ADMIN_TOPICS_H
#define TG_ADMIN_TOPICS_H

#include "base/str.h"
#include "http/errors.h"

enum tg_topic_kind {
    TG_TOPIC_RULE = 1, /* of the contract */
    TG_TOPIC_CHANGE,   /* a normalization */
    TG_TOPIC_END       /* how a request ended: a row of errors.h */
};

struct tg_topic {
    enum tg_topic_kind kind;
    const char *name;
    enum tg_error error;  /* gives status and code; TG_E_DONE for a normalization */
    const char *severity; /* of a rule, as in contract.h; else NULL */
    const char *what;     /* what it demands, does or says */
    const char *what_zh;
    const char *mend; /* what to do about it; one sentence */
    const char *mend_zh;
};

/* How many topics there are, and the i-th: rules, then normalizations, then ends. */
unsigned tg_topic_count(void);
struct tg_topic tg_topic_at(unsigned i);

/* The first topic of that name; false when there is none. */
bool tg_topic_find(struct tg_str name, struct tg_topic *out);

#endif
