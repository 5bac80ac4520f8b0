/* Response heads: any bytes give a verdict, the same in one piece and in two or many. */
#include "base/check.h"
#include "http/response_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_HEAD = 2048 };

static bool inside(struct tg_str slice, struct tg_str in)
{
    return slice.n == 0 || (slice.p >= in.p && slice.p + slice.n <= in.p + in.n);
}

static void check_head(const struct tg_response_head *r, struct tg_str in, size_t used,
                       enum tg_answers asked)
{
    bool bodiless =
        asked != TG_ANSWERS_OTHER || r->status < 200 || r->status == 204 || r->status == 304;

    CHECK(used >= 4 && used <= in.n && used <= MAX_HEAD);
    CHECK(memcmp(in.p + used - 4, "\r\n\r\n", 4) == 0);
    CHECK(r->status >= 100 && r->status <= 599 && r->status != 101 && r->minor <= 1);
    CHECK((r->framing == TG_FRAMING_NONE) == bodiless);
    CHECK(r->framing != TG_FRAMING_CLOSE || !r->keep_alive);
    CHECK(asked != TG_ANSWERS_CONNECT || r->length == 0);
    CHECK(r->nfields <= TG_FIELDS_MAX && r->length <= INT64_MAX);
    CHECK(inside(r->reason, in) && inside(r->connection, in));
    for (unsigned i = 0; i < r->nfields; i++) {
        const struct tg_field *f = &r->fields[i];

        CHECK(inside(f->name, in) && f->name.n > 0 && inside(f->value, in));
        for (size_t k = 0; k < f->value.n; k++)
            CHECK(f->value.p[k] != '\r' && f->value.p[k] != '\n' && f->value.p[k] != '\0');
    }
}

/* Feeds a growing prefix, `step` bytes more each time; stops at the first verdict. */
static enum tg_parse feed(struct tg_str in, size_t first, size_t step, enum tg_answers asked,
                          struct tg_response_head *r, size_t *used)
{
    enum tg_parse result = TG_PARSE_MORE;
    size_t scanned = 0;

    for (size_t n = first; result == TG_PARSE_MORE; n += step) {
        const char *why = NULL;

        if (n > in.n)
            n = in.n;
        result = tg_response_head_parse((struct tg_str){in.p, n}, MAX_HEAD, asked, &scanned, r,
                                        used, &why);
        CHECK(scanned <= n);
        CHECK(result != TG_PARSE_BAD || why != NULL);
        if (result == TG_PARSE_DONE)
            check_head(r, (struct tg_str){in.p, n}, *used, asked);
        if (n == in.n)
            break;
    }
    return result;
}

/* The first bytes choose where to cut and the request's method, the rest is the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_response_head response;
    static struct tg_response_head other;
    struct tg_str in;
    size_t used = 0;
    size_t used_other = 0;
    size_t cut;
    enum tg_answers asked;
    enum tg_parse result;

    if (size < 2)
        return 0;
    cut = (size_t)(data[0] | (data[1] & 0x3f) << 8);
    asked = data[1] >> 6 == 3 ? TG_ANSWERS_CONNECT
            : data[1] >> 7    ? TG_ANSWERS_HEAD
                              : TG_ANSWERS_OTHER;
    in = (struct tg_str){(const char *)data + 2, size - 2};
    result = feed(in, in.n, 1, asked, &response, &used);
    if (in.n < 4096) {
        CHECK(feed(in, 1, 1, asked, &other, &used_other) == result);
        CHECK(result != TG_PARSE_DONE || used == used_other);
    }
    CHECK(feed(in, in.n > 0 ? cut % in.n : 0, in.n, asked, &other, &used_other) == result);
    if (result != TG_PARSE_DONE)
        return 0;
    CHECK(used == used_other && response.framing == other.framing);
    CHECK(response.length == other.length && response.keep_alive == other.keep_alive);
    CHECK(response.status == other.status && response.nfields == other.nfields);
    return 0;
}
