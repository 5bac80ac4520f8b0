/*
 * Part of every library that tests preload (preload.py): a sanitizer's own library would not let
 * another one stand before it.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}
