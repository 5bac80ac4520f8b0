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

void tg_prometheus_bound(struct tg_buf *out, uint64_t bound)
{
    tg_buf_printf(out, bound % 1000000 == 0 ? "le=\"%.1f\"" : "le=\"%g\"", (double)bound / 1e6);
}

/* A line "# HELP NAME TEXT" or "# TYPE NAME TYPE". */
static void open_metadata(struct tg_buf *out, struct tg_str line)
{
    const struct tg_str total = TG_STR("_total");
    const char *end = memchr(line.p + 7, ' ', line.n - 7);
    struct tg_str head = {line.p, end != NULL ? (size_t)(end - line.p) : line.n};

    tg_buf_add(out, (struct tg_str){head.p, head.n - (tg_str_ends(head, total) ? total.n : 0)});
    for (size_t i = head.n; i < line.n; i++) {
        if (line.p[i] == '"')
            tg_buf_putc(out, '\\');
        tg_buf_putc(out, line.p[i]);
    }
}

void tg_prometheus_open(struct tg_buf *out, struct tg_str text)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        struct tg_str line = {text.p, end != NULL ? (size_t)(end - text.p) + 1 : text.n};

        if (tg_str_starts(line, TG_STR("# HELP ")) || tg_str_starts(line, TG_STR("# TYPE ")))
            open_metadata(out, line);
        else
            tg_buf_add(out, line);
        text = tg_str_skip(text, line.n);
    }
    tg_buf_add(out, TG_STR("# EOF\n"));
}
