/* Configuration to text: the tree as a file would have it (-T), the tables as a reference page. */
#include "config/conf.h"

#include "base/check.h"

/* --- dump --- */

/* True when the lexer would not read the bare word as it is. */
static bool needs_quotes(struct tg_str s)
{
    if (s.n == 0 || s.p[0] == '{')
        return true;
    if (tg_str_starts(s, TG_STR("\xef\xbb\xbf"))) /* dropped where a file begins with it */
        return true;
    while (s.n > 0) {
        size_t parameter = tg_conf_braced(s);

        if (parameter == 0 && memchr(" \t\r\n;{}#\"'\\", s.p[0], 11) != NULL)
            return true;
        s = tg_str_skip(s, parameter > 0 ? parameter : 1);
    }
    return false;
}

/* Text that would be read as a variable stands in single quotes. */
static void dump_word(struct tg_str s, struct tg_buf *out)
{
    char quote = memmem(s.p, s.n, "${", 2) != NULL ? '\'' : '"';

    if (quote == '"' && !needs_quotes(s)) {
        tg_buf_add(out, s);
        return;
    }
    tg_buf_putc(out, quote);
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (ch == quote || memchr("\\\n\r\t", ch, 4) != NULL)
            tg_buf_putc(out, '\\');
        tg_buf_putc(out, ch == '\n' ? 'n' : ch == '\r' ? 'r' : ch == '\t' ? 't' : ch);
    }
    tg_buf_putc(out, quote);
}

/* By name alone: better masked once too often than printed in a block nobody thought of. */
static bool is_secret(const struct tg_directive *const *tables, struct tg_str name)
{
    for (; *tables != NULL; tables++)
        for (const struct tg_directive *d = *tables; d->name != NULL; d++)
            if (d->secret && tg_str_eq(name, tg_str_of(d->name)))
                return true;
    return false;
}

static void dump_items(const struct tg_conf_item *item, const struct tg_directive *const *tables,
                       unsigned depth, struct tg_buf *out)
{
    CHECK(depth <= TG_CONF_MAX_BLOCKS);
    for (; item != NULL; item = item->next) {
        bool secret = is_secret(tables, item->args[0]);

        tg_buf_printf(out, "%*s", (int)depth * 4, "");
        dump_word(item->args[0], out);
        for (unsigned i = 1; i < item->nargs; i++) {
            tg_buf_putc(out, ' ');
            dump_word(secret ? TG_STR("***") : item->args[i], out);
        }
        if (!item->block) {
            tg_buf_puts(out, ";\n");
            continue;
        }
        tg_buf_puts(out, " {\n");
        dump_items(item->children, tables, depth + 1, out);
        tg_buf_printf(out, "%*s}\n", (int)depth * 4, "");
    }
}

void tg_conf_dump(const struct tg_conf_item *first, const struct tg_directive *const *tables,
                  struct tg_buf *out)
{
    dump_items(first, tables, 0, out);
}

/* --- reference --- */

static void write_contexts(unsigned contexts, struct tg_buf *out)
{
    const char *separator = "";

    for (unsigned bit = 1; bit <= contexts && bit != 0; bit <<= 1) {
        if ((contexts & bit) == 0)
            continue;
        tg_buf_printf(out, "%s%s", separator, tg_conf_context_name(bit));
        separator = ", ";
    }
}

static void write_words(const struct tg_directive *d, struct tg_buf *out)
{
    for (unsigned i = 0; d->words[i] != NULL; i++)
        tg_buf_printf(out, "%s%s", i > 0 ? " | " : "", d->words[i]);
}

/* The arguments, as the row's syntax has them or as its kind does. */
static void write_syntax(const struct tg_directive *d, struct tg_buf *out)
{
    static const char *const kinds[] = {
        [TG_CONF_FLAG] = "on | off", [TG_CONF_NUMBER] = "NUMBER", [TG_CONF_SIZE] = "SIZE",
        [TG_CONF_TIME] = "TIME",     [TG_CONF_STRING] = "TEXT",   [TG_CONF_PATH] = "FILE",
    };

    tg_buf_printf(out, "    %s", d->name);
    if (d->syntax != NULL ? *d->syntax != '\0' : d->kind != TG_CONF_CUSTOM)
        tg_buf_putc(out, ' ');
    if (d->syntax != NULL)
        tg_buf_puts(out, d->syntax);
    else if (d->kind == TG_CONF_ENUM)
        write_words(d, out);
    else if (d->kind != TG_CONF_CUSTOM)
        tg_buf_puts(out, kinds[d->kind]);
    tg_buf_puts(out, d->block ? " { ... }\n\n" : ";\n\n");
}

static void write_bounds(const struct tg_directive *d, struct tg_buf *out)
{
    if (d->kind != TG_CONF_NUMBER && d->kind != TG_CONF_SIZE && d->kind != TG_CONF_TIME)
        return;
    tg_buf_puts(out, ", range: ");
    tg_conf_write_value(d->kind, d->min, out);
    if (d->max != INT64_MAX) {
        tg_buf_puts(out, " to ");
        tg_conf_write_value(d->kind, d->max, out);
    } else {
        tg_buf_puts(out, " or more");
    }
}

static void write_row(const struct tg_directive *d, struct tg_buf *out)
{
    CHECK(d->help != NULL && d->contexts != 0);
    tg_buf_printf(out, "### %s\n\n", d->name);
    write_syntax(d, out);
    tg_buf_puts(out, "In: ");
    write_contexts(d->contexts, out);
    if (d->fallback != NULL)
        tg_buf_printf(out, ", default: `%s`", d->fallback);
    write_bounds(d, out);
    if (d->repeat)
        tg_buf_puts(out, ", may be repeated");
    tg_buf_printf(out, ".\n\n%s\n\n", d->help);
}

void tg_conf_reference(const char *title, const struct tg_directive *rows, struct tg_buf *out)
{
    tg_buf_printf(out, "## %s\n\n", title);
    for (; rows->name != NULL; rows++)
        write_row(rows, out);
}
