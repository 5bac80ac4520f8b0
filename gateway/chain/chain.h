/*
 * Walks one request through the filters of its location, without any socket: the exchange and
 * `trainguard eval` use the same walker. The walker owns the position; filters never call each
 * other. on_done runs exactly once for each filter whose on_request ran.
 */
#ifndef TG_CHAIN_H
#define TG_CHAIN_H

#include "chain/filter.h"

enum { TG_CHAIN_MAX_TURNS = 64 }; /* calls of one filter that waits and wakes; then it FAILs */

struct tg_chain {
    const struct tg_filter_list *filters; /* NULL before begin and after done */
    struct tg_request *request;
    unsigned at;       /* index of the filter to call next */
    uint32_t entered;  /* filters whose on_request ran, one bit each by position */
    uint32_t looked;   /* filters whose on_head ran, or is none */
    unsigned turns;    /* of the current filter */
    uint32_t *running; /* told of the filter that runs: tg_filter_index() + 1, 0 none; NULL:
                          nobody wants to know. Set behind tg_chain_begin() */
    void *state[TG_MAX_FILTERS]; /* by position; in the request's arena */
};

/* Starts at the first filter of a list, which outlives the walk. Allocates states from the
 * request's arena. */
void tg_chain_begin(struct tg_chain *c, const struct tg_filter_list *filters,
                    struct tg_request *request);

/*
 * Calls filters until one does not say TG_NEXT, or all have. Returns TG_NEXT when the request
 * passed all of them, TG_WAIT (call again when resumed; request->waiting says why), TG_REPLY, or
 * TG_FAIL. A request with violations in its report never passes: when no filter refused it, the
 * walker does, behind the last one.
 */
enum tg_verdict tg_chain_run(struct tg_chain *c);

/* The same for the filters before the `end`th: those that run on the head, or those that settle who
 * calls. A request with a violation does not pass them. */
enum tg_verdict tg_chain_run_to(struct tg_chain *c, unsigned end);

/* The filters before the next one have passed, which needs the body: what it says of the head alone
 * (on_head): TG_NEXT, or TG_REPLY. */
enum tg_verdict tg_chain_look(struct tg_chain *c);

/* The answer has come in full: tells the filters entered, in reverse order. */
void tg_chain_response(struct tg_chain *c, const struct tg_response *response);

/* True when a filter entered has an on_forward. */
bool tg_chain_wants_forward(const struct tg_chain *c);

/* Lets the filters entered append fields to the head that goes upstream (on_forward). False when
 * one refused; the request then says why. */
bool tg_chain_forward(struct tg_chain *c, struct tg_str host, struct tg_buf *out);

/* True when a filter entered has an on_unauthorized. */
bool tg_chain_wants_unauthorized(const struct tg_chain *c);

/* Asks the filters entered about an answer of 401, in reverse order; the first that does not let it
 * pass decides. */
enum tg_refusal tg_chain_unauthorized(struct tg_chain *c, const struct tg_response *response);

/* True when one of the filters entered wants to be told. */
bool tg_chain_wants_response(const struct tg_chain *c);

/* Runs on_done in reverse order for the filters entered. Harmless before begin and when repeated.
 */
void tg_chain_done(struct tg_chain *c);

#endif
