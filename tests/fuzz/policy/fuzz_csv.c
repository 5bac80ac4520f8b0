/*
 * Comma-separated values: whatever the text, there are rows or a reason; cells are clean, lines
 * only grow, and rows written with quotes are read as they were.
 */
#include "base/buf.h"
#include "base/check.h"
#include "policy/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_row(struct tg_buf *out, const struct tg_csv_row *row)
{
    for (unsigned i = 0; i < row->n; i++) {
        tg_buf_puts(out, i > 0 ? ",\"" : "\"");
        for (size_t k = 0; k < row->cells[i].n; k++) {
            if (row->cells[i].p[k] == '"')
                tg_buf_putc(out, '"');
            tg_buf_putc(out, row->cells[i].p[k]);
        }
        tg_buf_putc(out, '"');
    }
    tg_buf_puts(out, "\r\n");
}

static void check_row(const struct tg_csv_row *row)
{
    CHECK(row->n >= 1 && row->n <= TG_CSV_MAX_CELLS);
    for (unsigned i = 0; i < row->n; i++) {
        CHECK(row->cells[i].p[row->cells[i].n] == '\0');
        for (size_t k = 0; k < row->cells[i].n; k++)
            CHECK((unsigned char)row->cells[i].p[k] >= ' ');
    }
}

/* Reads a text, writes what was read with quotes; returns how many rows. */
static unsigned read_all(struct tg_arena *arena, struct tg_str text, struct tg_buf *out)
{
    struct tg_csv csv = tg_csv_begin(text);
    struct tg_csv_row row;
    unsigned rows = 0, line = 0;

    while (tg_csv_next(&csv, arena, &row)) {
        CHECK(row.line > line);
        line = row.line;
        check_row(&row);
        write_row(out, &row);
        rows++;
    }
    CHECK(csv.wrong != NULL || csv.rest.n == 0);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf once = {0}, twice = {0};
    struct tg_arena arena;
    unsigned rows;

    tg_arena_init(&arena);
    rows = read_all(&arena, (struct tg_str){(const char *)data, size}, &once);
    CHECK(read_all(&arena, tg_buf_str(&once), &twice) == rows);
    CHECK(tg_str_eq(tg_buf_str(&once), tg_buf_str(&twice)));
    tg_buf_end(&once);
    tg_buf_end(&twice);
    tg_arena_end(&arena);
    return 0;
}
