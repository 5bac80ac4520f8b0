/* Digests as text, and that short cuts give what the long way gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "digest.h"

#include <stdio.h>

/* Every length there is a path of its own for, every byte in every place. */
static void hex_is_what_printf_says(void **state)
{
    unsigned char in[48];
    char out[2 * sizeof(in) + 1];
    char want[2 * sizeof(in) + 1];

    (void)state;
    for (unsigned first = 0; first < 256; first++)
        for (size_t n = 0; n <= sizeof(in); n++) {
            memset(out, '!', sizeof(out));
            for (size_t i = 0; i < n; i++) {
                in[i] = (unsigned char)(first + i * 37);
                sprintf(want + 2 * i, "%02x", in[i]);
            }
            tg_hex(in, n, out);
            assert_memory_equal(out, want, 2 * n);
            assert_int_equal(out[2 * n], '!');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_what_printf_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
