/* Text from records for spreadsheets, which must not take it for more than text. */
#include "cli/audit.h"

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
