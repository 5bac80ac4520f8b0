/* Text from records, for terminals and spreadsheets: neither may take it for more than text. */
#include "cli/audit.h"

void tg_audit_add_safe(struct tg_buf *out, struct tg_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool c1 = c == 0xc2 && i + 1 < text.n && (unsigned char)text.p[i + 1] < 0xa0;

        tg_buf_putc(out, c < 0x20 || c == 0x7f || c1 ? '?' : text.p[i]);
    }
}

void tg_audit_add_cell(struct tg_buf *out, struct tg_str value)
{
    bool formula = value.n > 0 && memchr("=+-@\t\r", *value.p, 6) != NULL;

    tg_buf_putc(out, '"');
    if (formula && !tg_str_eq(value, TG_STR("-"))) /* which stands for nothing */
        tg_buf_putc(out, '\'');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"')
            tg_buf_putc(out, '"');
        tg_buf_putc(out, value.p[i]);
    }
    tg_buf_putc(out, '"');
}
