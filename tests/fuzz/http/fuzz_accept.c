/* Accept: every element is a part of the field, and no weight is beyond one. */
#include "base/check.h"
#include "http/accept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_part(struct tg_str part, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;

    return part.n == 0 || (part.p >= start && part.p + part.n <= start + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str list = {(const char *)data, size};
    struct tg_accept one;
    unsigned most = 0;

    while (tg_accept_next(&list, &one)) {
        CHECK(is_part(one.range, data, size) && is_part(one.version, data, size));
        CHECK(one.weight <= 1000);
        if (tg_str_ieq(one.range, TG_STR("text/html")) && one.weight > most)
            most = one.weight;
    }
    list = (struct tg_str){(const char *)data, size};
    CHECK(tg_accept_weight(list, TG_STR("text/html"), TG_STR("")) == most);
    return 0;
}
