/* Text from records for spreadsheets, which must not take it for more than text. */
#include "base/utf8.h"
#include "cli/audit.h"
#include "cli/excerpt.h"

/* True when a spreadsheet may take a cell for a formula: blanks at its front do not keep it from
 * that, nor do the full-width forms of the signs (U+FF0B, U+FF0D, U+FF1D, U+FF20). */
static bool is_formula(struct tg_str value)
{
    static const uint32_t signs[] = {'=', '+', '-', '@', 0xff0b, 0xff0d, 0xff1d, 0xff20};
    uint32_t code = 0;

    while (value.n > 0 && strchr(" \t\r\n", *value.p) != NULL && *value.p != '\0')
        value = tg_str_skip(value, 1);
    (void)tg_utf8_decode(value, &code);
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (code == signs[i])
            return true;
    return false;
}

void tg_audit_add_cell(struct tg_buf *out, struct tg_str value)
{
    struct tg_buf clean = {0};

    tg_buf_putc(out, '"');
    if (is_formula(value) && !tg_str_eq(value, TG_STR("-"))) /* which stands for nothing */
        tg_buf_putc(out, '\'');
    tg_excerpt_clean(&clean, value);
    for (size_t i = 0; i < clean.n; i++) {
        if (clean.p[i] == '"')
            tg_buf_putc(out, '"');
        tg_buf_putc(out, clean.p[i]);
    }
    tg_buf_putc(out, '"');
    tg_buf_end(&clean);
}
