/* Rows of comma-separated values. */
#include "policy/csv.h"

#include "base/buf.h"
#include "base/utf8.h"

static bool is_line_end(struct tg_str s)
{
    return s.n == 0 || *s.p == '\n' || (*s.p == '\r' && (s.n == 1 || s.p[1] == '\n'));
}

struct tg_csv tg_csv_begin(struct tg_str text)
{
    const struct tg_str mark = TG_STR("\xef\xbb\xbf");

    if (tg_str_starts(text, mark))
        text = tg_str_skip(text, mark.n);
    return (struct tg_csv){.rest = text, .line = 1};
}

/* Takes a line's end, if there is one. */
static void end_line(struct tg_csv *csv)
{
    if (csv->rest.n > 0 && *csv->rest.p == '\r')
        csv->rest = tg_str_skip(csv->rest, 1);
    if (csv->rest.n > 0) {
        csv->rest = tg_str_skip(csv->rest, 1);
        csv->line++;
    }
}

/* The length of the character that the rest begins with; 0 with csv->wrong set: it has no place in
 * a cell. */
static size_t csv_look(struct tg_csv *csv)
{
    uint32_t code;
    size_t n = tg_utf8_decode(csv->rest, &code);

    if (n == 0)
        csv->wrong = "is not UTF-8";
    else if (code < ' ' || code == 0x7f)
        csv->wrong = "has a control character";
    return csv->wrong == NULL ? n : 0;
}

/* Appends a bare cell to `out` up to the comma or line's end. */
static bool read_bare(struct tg_csv *csv, struct tg_buf *out)
{
    while (!is_line_end(csv->rest) && *csv->rest.p != ',') {
        size_t n = csv_look(csv);

        if (n > 0 && *csv->rest.p == '"')
            csv->wrong = "has a quote in the middle of a cell";
        if (csv->wrong != NULL)
            return false;
        tg_buf_add(out, (struct tg_str){csv->rest.p, n});
        csv->rest = tg_str_skip(csv->rest, n);
    }
    return true;
}

/* The same for one in quotes, which begins with the quote; two of them stand for one. */
static bool read_quoted(struct tg_csv *csv, struct tg_buf *out)
{
    csv->rest = tg_str_skip(csv->rest, 1);
    while (csv->rest.n > 0) {
        size_t n = csv_look(csv);

        if (n == 0)
            return false;
        if (*csv->rest.p == '"') {
            csv->rest = tg_str_skip(csv->rest, 1);
            if (csv->rest.n == 0 || *csv->rest.p != '"')
                break;
        }
        tg_buf_add(out, (struct tg_str){csv->rest.p, n});
        csv->rest = tg_str_skip(csv->rest, n);
        if (csv->rest.n == 0)
            csv->wrong = "has a quote that is not closed";
    }
    if (csv->wrong == NULL && !is_line_end(csv->rest) && *csv->rest.p != ',')
        csv->wrong = "has something behind a closing quote";
    return csv->wrong == NULL;
}

static bool read_cell(struct tg_csv *csv, struct tg_buf *out)
{
    if (csv->rest.n == 1 && *csv->rest.p == '"')
        csv->wrong = "has a quote that is not closed";
    else if (csv->rest.n > 0 && *csv->rest.p == '"')
        return read_quoted(csv, out);
    else
        return read_bare(csv, out);
    return false;
}

bool tg_csv_next(struct tg_csv *csv, struct tg_arena *arena, struct tg_csv_row *row)
{
    struct tg_buf cell = {0};
    bool more = true;

    while (csv->rest.n > 0 && is_line_end(csv->rest))
        end_line(csv);
    row->n = 0;
    row->line = csv->line;
    while (csv->rest.n > 0 && more && csv->wrong == NULL) {
        cell.n = 0;
        if (row->n == TG_CSV_MAX_CELLS)
            csv->wrong = "has more than 64 cells";
        else if (read_cell(csv, &cell))
            row->cells[row->n++] = tg_arena_dup(arena, tg_buf_str(&cell));
        more = csv->wrong == NULL && csv->rest.n > 0 && *csv->rest.p == ',';
        if (more) {
            csv->rest = tg_str_skip(csv->rest, 1);
            if (csv->rest.n == 0 && row->n < TG_CSV_MAX_CELLS)
                row->cells[row->n++] = TG_STR("");
        }
    }
    tg_buf_end(&cell);
    if (csv->wrong == NULL)
        end_line(csv);
    return csv->wrong == NULL && row->n > 0;
}
