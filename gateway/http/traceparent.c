/* The traceparent field (W3C Trace Context). */
#include "http/traceparent.h"

#include "base/chars.h"

enum { VERSION_00 = 55 }; /* bytes of "00-" 32 "-" 16 "-" 2 */

/* Lower-case hex digits; false when they are anything else. */
static bool read_hex(struct tg_str s, bool *zero)
{
    *zero = true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '0')
            *zero = false;
    return tg_chars_are(s, TG_CHAR_LOWER_HEX);
}

bool tg_traceparent_parse(struct tg_str value, struct tg_traceparent *out)
{
    const char *p = value.p;
    struct tg_traceparent t;
    bool zero;

    if (value.n < VERSION_00 || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return false;
    if (!read_hex((struct tg_str){p, 2}, &zero) || (p[0] == 'f' && p[1] == 'f'))
        return false;
    if (value.n > VERSION_00 && (zero || p[VERSION_00] != '-'))
        return false;
    t.trace_id = (struct tg_str){p + 3, 32};
    t.parent_id = (struct tg_str){p + 36, 16};
    if (!read_hex(t.trace_id, &zero) || zero || !read_hex(t.parent_id, &zero) || zero)
        return false;
    if (!read_hex((struct tg_str){p + 53, 2}, &zero))
        return false;
    t.flags = (unsigned)(tg_hex_value(p[53]) * 16 + tg_hex_value(p[54]));
    *out = t;
    return true;
}
