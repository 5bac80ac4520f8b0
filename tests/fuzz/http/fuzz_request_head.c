/* Request heads: any bytes give a verdict, the same in one piece and in two or many. */
#include "base/check.h"
#include "http/request_head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tg_request_head_limits limits = {2048, 512, 512, 32};

static bool inside(struct tg_str slice, struct tg_str in)
{
    return slice.n == 0 || (slice.p >= in.p && slice.p + slice.n <= in.p + in.n);
}

static void check_head(const struct tg_request_head *h, struct tg_str in, size_t used)
{
    CHECK(used >= 4 && used <= in.n && used <= limits.max_head);
    CHECK(memcmp(in.p + used - 4, "\r\n\r\n", 4) == 0);
    CHECK(h->nfields <= limits.max_fields && h->minor <= 1);
    CHECK(inside(h->method, in) && h->method.n > 0);
    CHECK(inside(h->target, in) || h->target.n == 1);
    CHECK(h->target.n <= limits.max_line && (h->target.p[0] == '/' || h->target.p[0] == '*'));
    CHECK(inside(h->authority, in) && (h->authority.n > 0 || h->minor == 0));
    CHECK(h->framing >= TG_FRAMING_NONE && h->framing <= TG_FRAMING_CHUNKED);
    CHECK(h->framing == TG_FRAMING_LENGTH || h->length == 0);
    CHECK(h->framing != TG_FRAMING_CHUNKED || h->minor == 1);
    for (unsigned i = 0; i < h->nfields; i++) {
        const struct tg_field *f = &h->fields[i];

        CHECK(inside(f->name, in) && f->name.n > 0 && inside(f->value, in));
        CHECK(f->name.n + f->value.n < limits.max_field);
        for (size_t k = 0; k < f->value.n; k++)
            CHECK(f->value.p[k] != '\r' && f->value.p[k] != '\n' && f->value.p[k] != '\0');
    }
}

/* Feeds a growing prefix, `step` bytes more each time; stops at the first verdict. */
static enum tg_parse feed(struct tg_str in, size_t first, size_t step, struct tg_request_head *h,
                          size_t *used)
{
    enum tg_parse result = TG_PARSE_MORE;
    size_t scanned = 0;

    for (size_t n = first; result == TG_PARSE_MORE; n += step) {
        enum tg_error error = TG_E_DONE;
        const char *why = NULL;

        if (n > in.n)
            n = in.n;
        result = tg_request_head_parse((struct tg_str){in.p, n}, &limits, &scanned, h, used, &error,
                                       &why);
        CHECK(scanned <= n);
        if (result == TG_PARSE_BAD)
            CHECK(why != NULL && tg_error_info(error)->status >= 400);
        if (result == TG_PARSE_DONE)
            check_head(h, (struct tg_str){in.p, n}, *used);
        if (n == in.n)
            break;
    }
    return result;
}

/* The first bytes choose where to cut, the rest is the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_request_head head;
    static struct tg_request_head other;
    struct tg_str in;
    size_t used = 0;
    size_t used_other = 0;
    size_t cut;
    enum tg_parse result;

    if (size < 2)
        return 0;
    cut = (size_t)(data[0] | data[1] << 8);
    in = (struct tg_str){(const char *)data + 2, size - 2};
    result = feed(in, in.n, 1, &head, &used);
    if (in.n < 4096) {
        CHECK(feed(in, 1, 1, &other, &used_other) == result);
        CHECK(result != TG_PARSE_DONE || used == used_other);
    }
    CHECK(feed(in, in.n > 0 ? cut % in.n : 0, in.n, &other, &used_other) == result);
    if (result != TG_PARSE_DONE)
        return 0;
    CHECK(used == used_other && head.framing == other.framing && head.length == other.length);
    CHECK(head.nfields == other.nfields && tg_str_eq(head.target, other.target));
    CHECK(tg_str_eq(head.authority, other.authority) && head.keep_alive == other.keep_alive);
    return 0;
}
