/*
 * Looks at an answer's body as it streams by: is there `"is_success": false` at the top level, and
 * which error_code? The service can answer 200 and mean no (contract section 5). Constant memory,
 * whatever the body; a body that is not JSON simply has no outcome. Pure.
 */
#ifndef TG_EXCHANGE_OUTCOME_H
#define TG_EXCHANGE_OUTCOME_H

#include "base/str.h"

enum { TG_OUTCOME_TEXT = 48 };

struct tg_outcome {
    unsigned state; /* private, as all but the results */
    unsigned depth;
    unsigned n;
    unsigned digits;            /* of an escape \uXXXX that are still to come */
    unsigned unicode;           /* its value so far */
    char text[TG_OUTCOME_TEXT]; /* the string or literal being read */
    char name[TG_OUTCOME_TEXT]; /* the top-level name it belongs to */

    bool failed;                      /* "is_success": false was seen */
    char error_code[TG_OUTCOME_TEXT]; /* value of "error_code", or "" */
};

/* Starts a body. */
void tg_outcome_init(struct tg_outcome *o);

/* Takes the next bytes. */
void tg_outcome_read(struct tg_outcome *o, struct tg_str data);

#endif
