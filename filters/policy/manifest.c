/* Lists of signed files. */
#include "policy/manifest.h"

#include "base/clock.h"

#include <stdlib.h>

enum { DAY_S = 86400, MAX_NAME = 255 };

/* --- names --- */

static bool is_part(struct tg_str part)
{
    return part.n > 0 && !tg_str_eq(part, TG_STR(".")) && !tg_str_eq(part, TG_STR(".."));
}

bool tg_manifest_name(struct tg_str name)
{
    struct tg_str part = {name.p, 0};

    if (name.n == 0 || name.n > MAX_NAME || name.p[0] == ' ' || name.p[name.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char byte = (unsigned char)name.p[i];

        if (byte < ' ' || byte == 0x7f || byte == '\\')
            return false;
        if (byte == '/') {
            if (!is_part(part))
                return false;
            part = (struct tg_str){name.p + i + 1, 0};
        } else {
            part.n++;
        }
    }
    return is_part(part);
}

static int manifest_compare(struct tg_str a, struct tg_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int manifest_by_name(const void *a, const void *b)
{
    return manifest_compare(((const struct tg_manifest_file *)a)->name,
                            ((const struct tg_manifest_file *)b)->name);
}

struct tg_manifest_file *tg_manifest_find(const struct tg_manifest *m, struct tg_str name)
{
    const struct tg_manifest_file key = {.name = name};

    return m->n == 0 ? NULL : bsearch(&key, m->files, m->n, sizeof(key), manifest_by_name);
}

/* --- reading --- */

/* Takes the next line off a text; false when it has no end. */
static bool manifest_take_line(struct tg_str *text, struct tg_str *line)
{
    const char *end = text->n > 0 ? memchr(text->p, '\n', text->n) : NULL;

    if (end == NULL)
        return false;
    *line = (struct tg_str){text->p, (size_t)(end - text->p)};
    *text = tg_str_skip(*text, line->n + 1);
    return true;
}

/* "# WORD VALUE" */
static bool manifest_take_head(struct tg_str *text, struct tg_str word, struct tg_str *value)
{
    struct tg_str line;

    if (!manifest_take_line(text, &line) || !tg_str_starts(line, word))
        return false;
    *value = tg_str_skip(line, word.n);
    return true;
}

static const char *manifest_read_file(struct tg_arena *arena, struct tg_str line,
                                      struct tg_manifest_file *out)
{
    enum { NAME_AT = TG_SHA256_HEX + 2 };
    bool good = line.n > NAME_AT && line.p[NAME_AT - 2] == ' ' &&
                (line.p[NAME_AT - 1] == ' ' || line.p[NAME_AT - 1] == '*') &&
                tg_unhex((struct tg_str){line.p, TG_SHA256_HEX}, out->digest);

    if (!good)
        return "is not what sha256sum writes: 64 hex digits, two blanks and a name";
    out->name = tg_arena_dup(arena, tg_str_skip(line, NAME_AT));
    if (!tg_manifest_name(out->name))
        return "has a name that is not plain: one inside the folder, without \"..\"";
    return NULL;
}

static size_t count_lines(struct tg_str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* The files behind the head, as they stand. */
static const char *read_files(struct tg_arena *arena, struct tg_str text, struct tg_manifest *out,
                              unsigned *line)
{
    struct tg_str one;

    out->files = tg_arena_zalloc(arena, count_lines(text) + 1, sizeof(*out->files));
    for (; text.n > 0; out->n++) {
        const char *why;

        ++*line;
        if (!manifest_take_line(&text, &one))
            return "has no end: the file is cut off";
        why = manifest_read_file(arena, one, &out->files[out->n]);
        if (why != NULL)
            return why;
    }
    return NULL;
}

const char *tg_manifest_read(struct tg_arena *arena, struct tg_str text, struct tg_manifest *out,
                             unsigned *line)
{
    struct tg_str value = {NULL, 0};
    const char *why;

    *out = (struct tg_manifest){0};
    *line = 1;
    if (!manifest_take_head(&text, TG_STR("# revision "), &value) ||
        !tg_str_u64(value, &out->revision) || out->revision == 0)
        return "is not \"# revision NUMBER\"";
    *line = 2;
    if (!manifest_take_head(&text, TG_STR("# expires "), &value) ||
        !tg_clock_day(value, &out->expires_at))
        return "is not \"# expires YYYY-MM-DD\"";
    out->expires = tg_arena_dup(arena, value);
    out->expires_at += DAY_S;
    why = read_files(arena, text, out, line);
    if (why != NULL)
        return why;
    if (out->n > 0)
        qsort(out->files, out->n, sizeof(*out->files), manifest_by_name);
    for (unsigned i = 1; i < out->n; i++)
        if (tg_str_eq(out->files[i - 1].name, out->files[i].name))
            return "is the last, and a name stands twice before it";
    return NULL;
}

/* --- writing --- */

void tg_manifest_write(const struct tg_manifest *m, struct tg_buf *out)
{
    tg_buf_printf(out, "# revision %lu\n# expires %.*s\n", m->revision, TG_STR_ARG(m->expires));
    for (unsigned i = 0; i < m->n; i++) {
        char hex[TG_SHA256_HEX];

        tg_hex(m->files[i].digest, TG_SHA256, hex);
        tg_buf_add(out, (struct tg_str){hex, sizeof(hex)});
        tg_buf_printf(out, "  %.*s\n", TG_STR_ARG(m->files[i].name));
    }
}
