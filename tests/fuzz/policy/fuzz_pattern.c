/*
 * A pattern, a NUL, a text: the quick way, which counts no steps, and PCRE2 step by step say the
 * same. An alternative that never matches, and could take any number of steps, keeps the second
 * pattern off the quick way.
 */
#include "base/buf.h"
#include "base/check.h"
#include "policy/pattern.h"
#include "policy/pattern_cost.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_pattern *compile(struct tg_str text, enum tg_pattern_use use)
{
    char why[TG_PATTERN_WHY];
    size_t offset = 0;
    struct tg_pattern *p = tg_pattern_new(text, use, why, &offset);

    CHECK(p != NULL || offset <= text.n);
    return p;
}

static void compare(const struct tg_pattern *quick, const struct tg_pattern *counted,
                    struct tg_str text, struct tg_str subject)
{
    uint64_t all = tg_pattern_steps(subject.n), left = all, left_counted = all;
    enum tg_pattern_result one = tg_pattern_match(quick, subject, &left);
    enum tg_pattern_result other = tg_pattern_match(counted, subject, &left_counted);
    unsigned cost = tg_pattern_cost(text);

    CHECK(left <= all && left_counted <= all);
    if (cost > 0 && cost <= TG_PATTERN_FEW) /* it has no reason not to know */
        CHECK(one != TG_PATTERN_ERROR && left == all);
    if (one != TG_PATTERN_ERROR && other != TG_PATTERN_ERROR)
        CHECK(one == other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    struct tg_buf wrapped = {0};
    struct tg_str text, subject;
    enum tg_pattern_use use;
    struct tg_pattern *quick, *counted;

    if (nul == NULL || nul - data > 200)
        return 0;
    use = data[0] % 2 == 0 ? TG_PATTERN_MUST : TG_PATTERN_MUST_NOT;
    text = (struct tg_str){(const char *)data + 1, (size_t)(nul - data) - 1};
    subject = (struct tg_str){(const char *)nul + 1, size - (size_t)(nul - data) - 1};
    tg_buf_printf(&wrapped, "(?:%.*s|(?!)x*)", TG_STR_ARG(text));
    quick = compile(text, use);
    counted = compile(tg_buf_str(&wrapped), use);
    if (quick != NULL && counted != NULL) /* a comment or \Q takes the end away */
        compare(quick, counted, text, subject);
    tg_pattern_end(quick);
    tg_pattern_end(counted);
    tg_buf_end(&wrapped);
    return 0;
}
