/* Metrics as Prometheus reads them. */
#include "base/prometheus.h"

void tg_prometheus_family(struct tg_buf *out, const char *name, const char *type, const char *help)
{
    tg_buf_printf(out, "# HELP trainguard_%s %s\n# TYPE trainguard_%s %s\n", name, help, name,
                  type);
}

void tg_prometheus_label(struct tg_buf *out, const char *name, struct tg_str value)
{
    tg_buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"')
            tg_buf_putc(out, '\\');
        if (value.p[i] == '\n')
            tg_buf_puts(out, "\\n");
        else
            tg_buf_putc(out, value.p[i]);
    }
    tg_buf_putc(out, '"');
}
