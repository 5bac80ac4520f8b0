/* What stood there before a request, and what it would change of that (filter `current`). */
#ifndef TG_CHAIN_BEFORE_H
#define TG_CHAIN_BEFORE_H

#include "base/crypto.h"

enum tg_diff_op { TG_DIFF_ADD = 1, TG_DIFF_REPLACE, TG_DIFF_REMOVE };

/* One operation of RFC 6902. */
struct tg_diff {
    enum tg_diff_op op;
    struct tg_str pointer; /* of the request's document */
    uint32_t node;         /* the new value in it; TG_NONE: removed */
    struct tg_diff *next;
};

struct tg_before {
    bool there;                 /* a config stood there; else it is known that none did */
    char sha256[TG_SHA256_HEX]; /* of it, normalized; when it is there */
    bool compared;              /* with the request's own config: the members below count */
    bool partial;               /* the request lacks required members */
    struct tg_diff *changes;    /* none: nothing changes */
    unsigned nchanges;
};

#endif
