/* Prints the line of a text that a place is in, with a caret under it. */
#include "cli/excerpt.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdio.h>
#include <wchar.h>

enum { MAX_CHARACTER = 4, REPLACEMENT = 0xfffd };

static const char ellipsis[] = "...";

/* --- characters --- */

/* A character as it is drawn. */
struct glyph {
    uint32_t code;
    size_t n; /* bytes of the text; at least 1 */
    unsigned width;
};

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* The character `s` begins with; `s` is not empty. */
static struct glyph next_glyph(struct tg_str s)
{
    struct glyph g = {0, 0, 1};
    int width;

    CHECK(s.n > 0);
    g.n = tg_utf8_decode(s, &g.code);
    if (g.n == 0) {
        g.code = REPLACEMENT;
        g.n = 1;
    } else if (g.code != '\t' && tg_utf8_is_hazard(g.code)) {
        g.code = REPLACEMENT;
    }
    CHECK(g.n >= 1 && g.n <= s.n);
    if (g.code < 0x80)
        return g;
    width = wcwidth((wchar_t)g.code);
    g.width = width >= 0 ? (unsigned)width : 1;
    return g;
}

static void draw(struct tg_buf *out, const struct glyph *g)
{
    out->n += tg_utf8_encode(g->code, tg_buf_room(out, MAX_CHARACTER));
}

void tg_excerpt_clean(struct tg_buf *out, struct tg_str text)
{
    while (text.n > 0) {
        struct glyph g = next_glyph(text);

        if (g.code == '\t' || is_line_end(*text.p))
            tg_buf_putc(out, ' ');
        else
            draw(out, &g);
        text = tg_str_skip(text, g.n);
    }
}

/* --- the piece of the line that is shown --- */

struct window {
    size_t from;
    size_t to;
    bool cut_left;
    bool cut_right;
};

/* Where the character before `at` begins. */
static size_t step_back(struct tg_str text, size_t at)
{
    size_t back = at - 1;

    CHECK(at > 0 && at <= text.n);
    while (back > 0 && at - back < MAX_CHARACTER && ((unsigned char)text.p[back] & 0xc0) == 0x80)
        back--;
    /* Stray continuation bytes stand alone, as next_glyph() takes them. */
    return back + next_glyph((struct tg_str){text.p + back, at - back}).n == at ? back : at - 1;
}

static struct window window_around(struct tg_str text, size_t offset)
{
    struct window w = {offset, offset, false, false};

    for (unsigned i = 0; i < TG_EXCERPT_BEFORE; i++)
        if (w.from > 0 && !is_line_end(text.p[w.from - 1]))
            w.from = step_back(text, w.from);
    w.cut_left = w.from > 0 && !is_line_end(text.p[w.from - 1]);
    for (unsigned i = 0; i < TG_EXCERPT_AFTER; i++)
        if (w.to < text.n && !is_line_end(text.p[w.to]))
            w.to += next_glyph(tg_str_skip(text, w.to)).n;
    w.cut_right = w.to < text.n && !is_line_end(text.p[w.to]);
    CHECK(w.from <= offset && offset <= w.to && w.to <= text.n);
    return w;
}

/* Where the token ends that begins at `at`; at most `to`. Brackets stand for what is in them. */
static size_t token_end(struct tg_str text, size_t at, size_t to)
{
    size_t end = at + 1;

    CHECK(at <= to && to <= text.n);
    if (at >= to)
        return at;
    if (text.p[at] == '"') {
        for (; end < to; end++) {
            if (text.p[end] == '"')
                return end + 1;
            if (text.p[end] == '\\' && end + 1 < to)
                end++;
        }
        return to;
    }
    if (strchr("{}[],:", text.p[at]) != NULL)
        return end;
    while (end < to && strchr(" \t{}[],:\"", text.p[end]) == NULL)
        end++;
    return end;
}

/* --- lines --- */

static void pad(struct tg_buf *out, unsigned columns, char with)
{
    memset(tg_buf_room(out, columns), with, columns);
    out->n += columns;
}

/* Draws text.p[from..to) from a column on; returns the column behind it. */
static unsigned draw_text(struct tg_buf *out, struct tg_str text, size_t from, size_t to,
                          unsigned column)
{
    while (from < to) {
        struct glyph g = next_glyph((struct tg_str){text.p + from, to - from});

        if (g.code == '\t') {
            g.width = TG_EXCERPT_TAB - column % TG_EXCERPT_TAB;
            pad(out, g.width, ' ');
        } else {
            draw(out, &g);
        }
        column += g.width;
        from += g.n;
    }
    return column;
}

static void draw_gutter(struct tg_buf *out, unsigned line, const struct tg_excerpt_style *style)
{
    tg_buf_puts(out, style->gutter);
    if (line > 0)
        tg_buf_printf(out, "%6u |", line);
    else
        tg_buf_puts(out, "       |");
    tg_buf_puts(out, style->plain);
    tg_buf_putc(out, ' ');
}

void tg_excerpt(struct tg_buf *out, struct tg_str text, uint32_t offset, unsigned line,
                const struct tg_excerpt_style *style)
{
    struct window w;
    size_t end;
    unsigned column = 0;
    unsigned from, to;

    CHECK(offset <= text.n && line > 0);
    w = window_around(text, offset);
    end = token_end(text, offset, w.to);
    CHECK(end >= offset && end <= w.to);
    draw_gutter(out, line, style);
    if (w.cut_left) {
        tg_buf_puts(out, ellipsis);
        column += sizeof(ellipsis) - 1;
    }
    from = draw_text(out, text, w.from, offset, column);
    to = draw_text(out, text, offset, end, from);
    draw_text(out, text, end, w.to, to);
    tg_buf_puts(out, w.cut_right ? ellipsis : "");
    tg_buf_putc(out, '\n');
    draw_gutter(out, 0, style);
    pad(out, from, ' ');
    tg_buf_puts(out, style->caret);
    pad(out, to > from ? to - from : 1, '^');
    tg_buf_puts(out, style->plain);
    tg_buf_putc(out, '\n');
}

size_t tg_excerpt_character(struct tg_buf *out, struct tg_str text)
{
    struct glyph g = next_glyph(text);

    draw(out, &g);
    return g.n;
}

void tg_excerpt_print(struct tg_str lines)
{
    struct tg_buf out = {0};

    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n);
        size_t n = end != NULL ? (size_t)(end - lines.p) : lines.n;

        tg_excerpt_clean(&out, (struct tg_str){lines.p, n});
        tg_buf_putc(&out, '\n');
        lines = tg_str_skip(lines, end != NULL ? n + 1 : n);
    }
    fwrite(out.p, 1, out.n, stdout);
    tg_buf_end(&out);
}
