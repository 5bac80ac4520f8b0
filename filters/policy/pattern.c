/* PCRE2 with JIT, within limits that hold whatever the pattern and the text are. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/pattern.h"

#include "base/check.h"
#include "policy/pattern_cost.h"

#include <pcre2.h>
#include <stdlib.h>

enum {
    DEPTH = 5000,
    HEAP_KIB = 4096,
};

struct tg_pattern {
    pcre2_code *code;
    pcre2_code *quick; /* the same, not counted, as machine code; NULL: it has to be counted */
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* \C could split a character, and a pattern from a file needs no such thing. */
static uint32_t options_of(enum tg_pattern_use use)
{
    return PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
           (use == TG_PATTERN_MUST ? PCRE2_DOLLAR_ENDONLY : 0);
}

static PCRE2_SPTR start_of(struct tg_str text)
{
    return (PCRE2_SPTR)(text.p != NULL ? text.p : "");
}

/* Callouts before each item count the steps: PCRE2's own match limit begins anew at each byte of
 * the text, and compiled code does not count the way back over ".*". */
static pcre2_code *compile_counted(struct tg_str text, enum tg_pattern_use use, int *error,
                                   PCRE2_SIZE *at)
{
    pcre2_code *code = pcre2_compile(start_of(text), text.n, options_of(use) | PCRE2_AUTO_CALLOUT,
                                     error, at, NULL);

    /* Without executable memory the interpreter does the same, more slowly. */
    if (code != NULL)
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

/* What takes few steps whatever the text is need not count them. Nobody asks what its groups hold.
 */
static pcre2_code *compile_quick(struct tg_str text, enum tg_pattern_use use)
{
    unsigned cost = tg_pattern_cost(text);
    PCRE2_SIZE at;
    int error;
    pcre2_code *code;

    if (cost == 0 || cost > TG_PATTERN_FEW)
        return NULL;
    code = pcre2_compile(start_of(text), text.n, options_of(use) | PCRE2_NO_AUTO_CAPTURE, &error,
                         &at, NULL);
    if (code == NULL || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0)
        return code;
    pcre2_code_free(code);
    return NULL;
}

void tg_pattern_pcre2(char version[TG_PATTERN_VERSION])
{
    int n = pcre2_config(PCRE2_CONFIG_VERSION, NULL);

    CHECK(n > 0 && n <= TG_PATTERN_VERSION);
    CHECK(pcre2_config(PCRE2_CONFIG_VERSION, version) == n);
}

struct tg_pattern *tg_pattern_new(struct tg_str text, enum tg_pattern_use use,
                                  char why[TG_PATTERN_WHY], size_t *offset)
{
    int error = 0;
    PCRE2_SIZE at = 0;
    struct tg_pattern *p;
    pcre2_code *code;

    CHECK(use == TG_PATTERN_MUST || use == TG_PATTERN_MUST_NOT);
    code = compile_counted(text, use, &error, &at);
    if (code == NULL) {
        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)why, TG_PATTERN_WHY);
        *offset = at;
        return NULL;
    }
    p = calloc(1, sizeof(*p));
    CHECK(p != NULL);
    p->code = code;
    p->quick = compile_quick(text, use);
    p->data = pcre2_match_data_create(1, NULL);
    p->limits = pcre2_match_context_create(NULL);
    CHECK(p->data != NULL && p->limits != NULL);
    pcre2_set_match_limit(p->limits, UINT32_MAX); /* count_step() does it */
    pcre2_set_depth_limit(p->limits, DEPTH);
    pcre2_set_heap_limit(p->limits, HEAP_KIB);
    return p;
}

void tg_pattern_end(struct tg_pattern *p)
{
    if (p == NULL)
        return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->quick);
    pcre2_code_free(p->code);
    free(p);
}

static int count_step(pcre2_callout_block *block, void *left)
{
    uint64_t *steps = left;

    (void)block;
    if (*steps == 0)
        return PCRE2_ERROR_MATCHLIMIT;
    --*steps;
    return 0;
}

static int pattern_run(const struct tg_pattern *p, struct tg_str subject, uint32_t options)
{
    return pcre2_match(p->code, start_of(subject), subject.n, 0, options, p->data, p->limits);
}

static int run_counted(const struct tg_pattern *p, struct tg_str subject, uint64_t *steps)
{
    int found;

    pcre2_set_callout(p->limits, count_step, steps);
    found = pattern_run(p, subject, 0);
    /* Compiled code has 32 KB of stack; the interpreter has the heap up to its limit. */
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pattern_run(p, subject, PCRE2_NO_JIT);
    return found;
}

uint64_t tg_pattern_steps(size_t bytes)
{
    return TG_PATTERN_STEPS + (uint64_t)TG_PATTERN_STEPS_PER_BYTE * bytes;
}

enum tg_pattern_result tg_pattern_match(const struct tg_pattern *p, struct tg_str subject,
                                        uint64_t *steps)
{
    int found = PCRE2_ERROR_JIT_BADOPTION;

    CHECK(p != NULL && p->code != NULL);
    if (p->quick != NULL)
        found = pcre2_jit_match(p->quick, start_of(subject), subject.n, 0, 0, p->data, NULL);
    /* What the quick way could not tell, whyever, the counted one does. */
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        found = run_counted(p, subject, steps);
    if (found == PCRE2_ERROR_NOMATCH)
        return TG_PATTERN_NO;
    return found >= 0 ? TG_PATTERN_YES : TG_PATTERN_ERROR;
}
