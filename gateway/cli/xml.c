/* Text in XML documents: the JUnit reports of `eval` and `test`. */
#include "cli/xml.h"

#include "base/utf8.h"

#include <inttypes.h>

void tg_xml_add(struct tg_buf *out, struct tg_str s)
{
    while (s.n > 0) {
        uint32_t code = 0xfffd;
        size_t n = tg_utf8_decode(s, &code);

        if (n == 0 || (code != '\t' && code != '\n' && tg_utf8_is_hazard(code)) || code == 0xfffe ||
            code == 0xffff)
            code = 0xfffd;
        if (code < 0x20 || code == '"' || code == '<' || code == '>' || code == '&')
            tg_buf_printf(out, "&#%u;", (unsigned)code);
        else
            out->n += tg_utf8_encode(code, tg_buf_room(out, 4));
        s = tg_str_skip(s, n > 0 ? n : 1);
    }
}

void tg_xml_add_time(struct tg_buf *out, uint64_t us)
{
    tg_buf_printf(out, " time=\"%" PRIu64 ".%06" PRIu64 "\"", us / 1000000, us % 1000000);
}
