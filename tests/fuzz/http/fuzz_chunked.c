/* Chunked bodies: the same body, end and verdict however the bytes are cut; and what is encoded
 * here from any bytes comes out as it went in. */
#include "base/check.h"
#include "http/chunked.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct body {
    enum tg_parse result;
    size_t read;
    size_t n;
    char *data; /* owned */
};

/* Reads `in` in pieces of at most `step` bytes. */
static struct body decode(struct tg_str in, size_t step)
{
    struct body b = {TG_PARSE_MORE, 0, 0, malloc(in.n + 1)};
    struct tg_chunked chunk;

    CHECK(b.data != NULL && step > 0);
    tg_chunked_init(&chunk);
    while (b.result == TG_PARSE_MORE && b.read < in.n) {
        struct tg_str piece = tg_str_skip(in, b.read);
        struct tg_str data;
        const char *why = NULL;
        size_t used = 0;

        if (piece.n > step)
            piece.n = step;
        b.result = tg_chunked_read(&chunk, piece, &data, &used, &why);
        CHECK(b.result != TG_PARSE_BAD || why != NULL);
        if (b.result == TG_PARSE_BAD)
            break;
        CHECK(used > 0 && used <= piece.n && data.n <= used);
        CHECK(data.n == 0 || (data.p >= piece.p && data.p + data.n == piece.p + used));
        if (data.n > 0)
            memcpy(b.data + b.n, data.p, data.n);
        b.n += data.n;
        b.read += used;
    }
    return b;
}

static void compare(const struct body *a, struct body b)
{
    CHECK(a->result == b.result);
    if (a->result != TG_PARSE_BAD)
        CHECK(a->read == b.read && a->n == b.n && memcmp(a->data, b.data, a->n) == 0);
    free(b.data);
}

/* Encodes `in` in chunks of up to `step` bytes and reads it back. */
static void round_trip(struct tg_str in, size_t step)
{
    char *text = malloc(in.n * 8 + 16);
    size_t n = 0;
    struct body b;

    CHECK(text != NULL);
    for (size_t at = 0; at < in.n; at += step) {
        size_t part = in.n - at < step ? in.n - at : step;

        n += (size_t)sprintf(text + n, "%zx\r\n", part);
        memcpy(text + n, in.p + at, part);
        memcpy(text + n + part, "\r\n", 2);
        n += part + 2;
    }
    memcpy(text + n, "0\r\n\r\n", 5);
    n += 5;
    b = decode((struct tg_str){text, n}, step);
    CHECK(b.result == TG_PARSE_DONE && b.read == n && b.n == in.n);
    CHECK(in.n == 0 || memcmp(b.data, in.p, in.n) == 0);
    free(b.data);
    free(text);
}

/* The first byte chooses the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str in;
    struct body whole;

    if (size < 1)
        return 0;
    in = (struct tg_str){(const char *)data + 1, size - 1};
    whole = decode(in, SIZE_MAX);
    compare(&whole, decode(in, 1));
    compare(&whole, decode(in, (size_t)data[0] + 1));
    round_trip(in, (size_t)data[0] + 1);
    free(whole.data);
    return 0;
}
