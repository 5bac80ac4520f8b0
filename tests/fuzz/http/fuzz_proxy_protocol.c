/* PROXY headers: any bytes give a verdict, the same in one piece and byte by byte. */
#include "base/check.h"
#include "http/proxy_protocol.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum tg_parse feed(struct tg_str in, size_t step, struct tg_proxy *out, size_t *used)
{
    enum tg_parse result = TG_PARSE_MORE;
    const char *why = NULL;

    for (size_t n = step; result == TG_PARSE_MORE; n += step) {
        if (n > in.n)
            n = in.n;
        result = tg_proxy_read((struct tg_str){in.p, n}, out, used, &why);
        CHECK(result != TG_PARSE_BAD || why != NULL);
        CHECK(result != TG_PARSE_DONE || (*used > 0 && *used <= n));
        if (n == in.n)
            break;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of its own size: reads behind the end are seen */
    char *copy = malloc(size + 1);
    struct tg_str in = {copy, size};
    struct tg_proxy whole, bytes;
    size_t used = 0, used_bytes = 0;
    enum tg_parse result;

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    result = feed(in, size + 1, &whole, &used);
    CHECK(feed(in, 1, &bytes, &used_bytes) == result);
    CHECK(result != TG_PARSE_MORE || size < TG_PROXY_V2_MAX);
    if (result == TG_PARSE_DONE) {
        CHECK(used == used_bytes && whole.present == bytes.present && whole.port == bytes.port);
        CHECK(strcmp(whole.address, bytes.address) == 0);
        CHECK(whole.present == (whole.address[0] != '\0'));
    }
    free(copy);
    return 0;
}
