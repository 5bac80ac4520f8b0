/*
 * Configuration text to a tree: lexer, blocks, `include`. Knows no directive but `include`; what
 * the words mean is for apply.c. A syntax error ends its file, not the load: the other files
 * that are included are still read, so that their problems are reported by one load.
 */
#include "base/chars.h"
#include "base/file.h"
#include "config/conf.h"

#include "base/check.h"
#include "base/utf8.h"

#include <glob.h>
#include <stdlib.h>

struct word {
    struct tg_str text;
    unsigned line; /* 0: there is none */
};

/* One text that is being read; included ones point to the one that includes them. */
struct source {
    const char *name;
    struct tg_str rest; /* not read yet; in the configuration's arena */
    unsigned line;
    dev_t dev; /* with `ino`: which file; both 0 for text in memory */
    ino_t ino;
    const struct source *includer;
    unsigned depth;     /* 1 for the first file */
    struct word broken; /* outside blocks, the first word that the next line's words follow */
};

struct parser {
    struct tg_conf *c;
    struct source *source;
    struct tg_buf word;  /* the word that is being read */
    struct tg_buf words; /* struct word of the directive that is being read */
    unsigned files;
    unsigned blocks;
};

enum token { TOKEN_WORD = 1, TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_EOF, TOKEN_BAD };

/* --- lexer --- */

static bool parse_is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static bool is_delimiter(char ch)
{
    return parse_is_blank(ch) || ch == ';' || ch == '{' || ch == '}';
}

static bool is_name_byte(char ch, bool first)
{
    return tg_char_is(ch, first ? TG_CHAR_LETTER : TG_CHAR_ALPHANUMERIC) || ch == '_';
}

/* Where the name that begins at `from` ends. */
static size_t name_end(struct tg_str s, size_t from)
{
    size_t n = from;

    while (n < s.n && is_name_byte(s.p[n], n == from))
        n++;
    return n;
}

static size_t closed(struct tg_str s, size_t from, size_t n)
{
    return n > from && n < s.n && s.p[n] == '}' ? n + 1 : 0;
}

size_t tg_conf_parameter(struct tg_str s)
{
    return s.n < 3 || s.p[0] != '{' ? 0 : closed(s, 1, name_end(s, 1));
}

size_t tg_conf_braced(struct tg_str s)
{
    size_t n;

    if (s.n < 3 || s.p[0] != '{')
        return 0;
    n = name_end(s, 1);
    if (n > 1 && n < s.n && s.p[n] == '.')
        return closed(s, n + 1, name_end(s, n + 1));
    return closed(s, 1, n);
}

/* True when a text begins with a "{name.name}", which no block does. */
static bool is_cell(struct tg_str s)
{
    return tg_conf_braced(s) > tg_conf_parameter(s);
}

/* The length of a parameter that is not closed, at the start of a path's segment: "{name" with
 * another "{" or segment behind it, where a block would have a directive. Else 0. */
static size_t open_parameter(struct tg_str path, struct tg_str s)
{
    size_t n = 1;
    size_t end;

    if (!tg_str_ends(path, TG_STR("/")) || s.n < 2 || s.p[0] != '{')
        return 0;
    while (n < s.n && is_name_byte(s.p[n], n == 1))
        n++;
    end = n;
    while (end < s.n && parse_is_blank(s.p[end]))
        end++;
    return n > 1 && end < s.n && (s.p[end] == '{' || s.p[n] == '/') ? n : 0;
}

/* Where the parser stands, for messages. */
static struct tg_conf_item here(const struct parser *p)
{
    CHECK(p->source != NULL && p->source->line > 0);
    return (struct tg_conf_item){.file = p->source->name, .line = p->source->line};
}

static char parse_take(struct source *s)
{
    char ch;

    CHECK(s->rest.n > 0);
    ch = s->rest.p[0];
    s->rest = tg_str_skip(s->rest, 1);
    s->line += ch == '\n';
    return ch;
}

static void skip_blanks(struct source *s)
{
    while (s->rest.n > 0 && (parse_is_blank(s->rest.p[0]) || s->rest.p[0] == '#')) {
        if (parse_take(s) != '#')
            continue;
        while (s->rest.n > 0 && s->rest.p[0] != '\n')
            parse_take(s);
    }
}

/* Behind a backslash. Inside quotes a delimiter needs no escape, and a pattern its backslash. */
static void take_escape(struct parser *p, bool quoted)
{
    struct source *s = p->source;
    char ch = s->rest.n > 0 ? s->rest.p[0] : '\0';

    if (ch == 'n' || ch == 'r' || ch == 't') {
        parse_take(s);
        tg_buf_putc(&p->word, ch == 'n' ? '\n' : ch == 'r' ? '\r' : '\t');
    } else if (ch == '"' || ch == '\'' || ch == '\\' ||
               (!quoted && (is_delimiter(ch) || ch == '#'))) {
        tg_buf_putc(&p->word, parse_take(s));
    } else {
        tg_buf_putc(&p->word, '\\');
    }
}

/* True where a "${" begins that is no text of its own: the first word is a directive's name. */
static bool at_variable(const struct parser *p)
{
    return p->c->environment && p->words.n > 0 && tg_str_starts(p->source->rest, TG_STR("${"));
}

/* False after it recorded what is wrong with the variable. */
static bool take_variable(struct parser *p)
{
    struct tg_conf_item at = here(p);
    size_t n = tg_conf_variable(p->c, &at, p->source->rest, &p->word);

    p->source->rest = tg_str_skip(p->source->rest, n);
    return n > 0;
}

static enum token read_quoted(struct parser *p)
{
    struct tg_conf_item begin = here(p);
    struct source *s = p->source;
    char quote = parse_take(s);

    while (s->rest.n > 0 && s->rest.p[0] != quote) {
        char ch;

        if (quote == '"' && at_variable(p)) {
            if (!take_variable(p))
                return TOKEN_BAD;
            continue;
        }
        ch = parse_take(s);
        if (ch == '\\')
            take_escape(p, true);
        else
            tg_buf_putc(&p->word, ch);
    }
    if (s->rest.n == 0) {
        tg_conf_error(p->c, &begin, "a quote is never closed, it begins");
        return TOKEN_BAD;
    }
    parse_take(s);
    if (s->rest.n > 0 && !is_delimiter(s->rest.p[0])) {
        begin = here(p);
        tg_conf_error(p->c, &begin, "a blank or \";\" is missing behind a closing quote");
        return TOKEN_BAD;
    }
    return TOKEN_WORD;
}

static enum token read_bare(struct parser *p)
{
    struct source *s = p->source;

    while (s->rest.n > 0) {
        size_t parameter = tg_conf_braced(s->rest);

        if (at_variable(p)) {
            if (!take_variable(p))
                return TOKEN_BAD;
        } else if (parameter > 0) {
            tg_buf_add(&p->word, (struct tg_str){s->rest.p, parameter});
            s->rest = tg_str_skip(s->rest, parameter);
        } else if ((parameter = open_parameter(tg_buf_str(&p->word), s->rest)) > 0) {
            struct tg_conf_item at = here(p);

            tg_conf_error(p->c, &at, "\"%.*s\" behind \"%.*s\" is never closed by \"}\"",
                          (int)parameter, s->rest.p, TG_STR_ARG(tg_buf_str(&p->word)));
            return TOKEN_BAD;
        } else if (is_delimiter(s->rest.p[0])) {
            break;
        } else {
            char ch = parse_take(s);

            if (ch == '\\')
                take_escape(p, false);
            else
                tg_buf_putc(&p->word, ch);
        }
    }
    return TOKEN_WORD;
}

/* The next token; the text of a word goes to p->word. */
static enum token next_token(struct parser *p)
{
    struct source *s = p->source;

    p->word.n = 0;
    skip_blanks(s);
    if (s->rest.n == 0)
        return TOKEN_EOF;
    switch (s->rest.p[0]) {
    case ';':
        parse_take(s);
        return TOKEN_END;
    case '{':
        if (is_cell(s->rest))
            return read_bare(p);
        parse_take(s);
        return TOKEN_OPEN;
    case '}':
        parse_take(s);
        return TOKEN_CLOSE;
    case '"':
    case '\'':
        return read_quoted(p);
    default:
        return read_bare(p);
    }
}

/* --- directives --- */

static void keep_word(struct parser *p, unsigned line)
{
    struct word w = {tg_arena_dup(p->c->arena, tg_buf_str(&p->word)), line};

    tg_buf_add(&p->words, (struct tg_str){(const char *)&w, sizeof(w)});
}

/* Reads words up to what ends them, which is the result. Blanks are skipped before the line is
 * looked at, so that a word has the line it begins in. */
static enum token read_words(struct parser *p)
{
    p->words.n = 0;
    for (;;) {
        enum token token;
        unsigned line;

        skip_blanks(p->source);
        line = p->source->line;
        token = next_token(p);
        if (token != TOKEN_WORD)
            return token;
        keep_word(p, line);
    }
}

/* The words read as an item without children. */
static struct tg_conf_item *make_item(struct parser *p)
{
    size_t n = p->words.n / sizeof(struct word);
    const struct word *words = (const struct word *)(const void *)p->words.p;
    struct tg_conf_item *item = tg_arena_zalloc(p->c->arena, 1, sizeof(*item));
    struct tg_str *args = tg_arena_zalloc(p->c->arena, n, sizeof(*args));
    unsigned *lines = tg_arena_zalloc(p->c->arena, n, sizeof(*lines));

    CHECK(n > 0 && n < TG_CONF_MAX_FILE);
    for (size_t i = 0; i < n; i++) {
        args[i] = words[i].text;
        lines[i] = words[i].line;
        if (i > 0 && lines[i] != lines[i - 1] && p->blocks == 0 && p->source->broken.line == 0)
            p->source->broken = words[i - 1];
    }
    item->args = args;
    item->lines = lines;
    item->nargs = (unsigned)n;
    item->file = p->source->name;
    item->line = lines[0];
    return item;
}

/* True for what braces hold in a pattern: {2} or {2,4}. */
static bool is_repetition(struct tg_str word)
{
    for (size_t i = 0; i < word.n; i++)
        if ((word.p[i] < '0' || word.p[i] > '9') && word.p[i] != ',')
            return false;
    return word.n > 0;
}

/* True for the one word of a block that begins behind a path's "/" in its line: a parameter whose
 * name is none. */
static bool is_parameter(const struct tg_conf_item *block, const struct word *word)
{
    return block != NULL && block->line == word->line && block->nargs > 1 &&
           tg_str_ends(block->args[block->nargs - 1], TG_STR("/"));
}

/* What stands where a name should, or behind words that no ';' ends. */
static bool misplaced(struct parser *p, enum token token, const struct tg_conf_item *block)
{
    struct tg_conf_item at = here(p);
    size_t n = p->words.n / sizeof(struct word);
    const struct word *words = (const struct word *)(const void *)p->words.p;

    if (token == TOKEN_BAD)
        return false;
    if (n > 0) {
        at.line = words[n - 1].line;
        if (n == 1 && token == TOKEN_CLOSE && is_repetition(words[0].text))
            tg_conf_error(p->c, &at, "a pattern with braces stands in quotes: \"...{%s}...\"",
                          words[0].text.p);
        else if (n == 1 && token == TOKEN_CLOSE && is_parameter(block, &words[0]))
            tg_conf_error(p->c, &at,
                          "\"{%s}\" is no parameter of a path, its name takes letters, digits and "
                          "\"_\"",
                          words[0].text.p);
        else
            tg_conf_error(p->c, &at, "\";\" is missing behind \"%s\"", words[n - 1].text.p);
    } else if (token == TOKEN_EOF) {
        tg_conf_error(p->c, block, "\"%s\" is never closed by \"}\", its block begins",
                      block->args[0].p);
    } else if (token == TOKEN_CLOSE) {
        if (p->source->broken.line > 0)
            tg_conf_error(p->c, &at,
                          "unexpected \"}\", no block is open (is \"{\" missing behind \"%s\" in "
                          "line %u?)",
                          p->source->broken.text.p, p->source->broken.line);
        else
            tg_conf_error(p->c, &at, "unexpected \"}\", no block is open");
    } else {
        tg_conf_error(p->c, &at, "unexpected \"%s\", a directive's name is missing before it",
                      token == TOKEN_OPEN ? "{" : ";");
    }
    return false;
}

static bool read_include(struct parser *p, const struct tg_conf_item *item,
                         const struct tg_conf_item ***tail);

/*
 * Reads items up to the end of the block, or of the file when `block` is NULL, and hangs them to
 * *tail. Returns false after a syntax error. Recursion is bounded by TG_CONF_MAX_BLOCKS and
 * TG_CONF_MAX_INCLUDES.
 */
static bool read_items(struct parser *p, const struct tg_conf_item *block,
                       const struct tg_conf_item ***tail);

static bool read_block(struct parser *p, struct tg_conf_item *item, unsigned line)
{
    struct tg_conf_item opening = *item;
    const struct tg_conf_item **tail = &item->children;
    bool ok;

    opening.line = line;
    item->block = true;
    if (p->blocks >= TG_CONF_MAX_BLOCKS) {
        tg_conf_error(p->c, item, "blocks are nested deeper than %d", TG_CONF_MAX_BLOCKS);
        return false;
    }
    p->blocks++;
    ok = read_items(p, &opening, &tail);
    p->blocks--;
    return ok;
}

/* One item whose words were read and that ended with `token`. */
static bool read_item(struct parser *p, enum token token, const struct tg_conf_item ***tail)
{
    struct tg_conf_item *item = make_item(p);

    if (tg_str_eq(item->args[0], TG_STR("include"))) {
        if (token == TOKEN_END)
            return read_include(p, item, tail);
        tg_conf_error(p->c, item, "\"include\" takes no block, it ends with \";\"");
        return false;
    }
    **tail = item;
    *tail = &item->next;
    return token == TOKEN_END || read_block(p, item, p->source->line);
}

static bool read_items(struct parser *p, const struct tg_conf_item *block,
                       const struct tg_conf_item ***tail)
{
    for (;;) {
        enum token token = read_words(p);
        bool empty = p->words.n == 0;

        if (empty && token == (block != NULL ? TOKEN_CLOSE : TOKEN_EOF))
            return true;
        if (empty || (token != TOKEN_END && token != TOKEN_OPEN))
            return misplaced(p, token, block);
        if (!read_item(p, token, tail))
            return false;
    }
}

/* --- files --- */

/* False after it recorded what in the text cannot be configuration: found here once, so that
 * neither the lexer nor any setter meets it. */
static bool check_text(struct parser *p, struct tg_str text)
{
    struct tg_conf_item at = here(p);

    while (text.n > 0) {
        unsigned char byte = (unsigned char)text.p[0];
        uint32_t code;
        size_t n = tg_utf8_decode(text, &code);

        if (n == 0) {
            tg_conf_error(p->c, &at, "byte 0x%02x is not UTF-8", byte);
            return false;
        }
        if (code == 0x7f || (code < 0x20 && code != '\t' && code != '\r' && code != '\n')) {
            tg_conf_error(p->c, &at, "%s 0x%02x", code == 0 ? "NUL byte" : "control character",
                          byte);
            return false;
        }
        at.line += byte == '\n';
        text = tg_str_skip(text, n);
    }
    return true;
}

/* Reads one source with everything it includes. */
static void read_source(struct parser *p, struct source *s, const struct tg_conf_item ***tail)
{
    struct source *includer = p->source;

    p->source = s;
    if (tg_str_starts(s->rest, TG_STR("\xef\xbb\xbf"))) /* the mark some editors begin with */
        s->rest = tg_str_skip(s->rest, 3);
    if (check_text(p, s->rest))
        (void)read_items(p, NULL, tail);
    p->source = includer;
}

/* NULL, or why `s` cannot be read now: an endless or absurd include. */
static const char *check_includes(const struct parser *p, const struct source *s)
{
    if (s->depth > TG_CONF_MAX_INCLUDES)
        return "files include each other too deep";
    if (p->files > TG_CONF_MAX_FILES)
        return "too many files are included";
    for (const struct source *o = s->includer; o != NULL; o = o->includer)
        if (o->ino == s->ino && o->dev == s->dev && o->ino != 0)
            return "it includes itself";
    return NULL;
}

static void tell_name(const struct tg_conf *c, const char *name)
{
    if (c->on_read != NULL)
        c->on_read(c->reader, name);
}

/* Reads one file; `at` is the `include`, or NULL for the first. */
static void parse_read_file(struct parser *p, const char *name, const struct tg_conf_item *at,
                            const struct tg_conf_item ***tail)
{
    struct source s = {.name = name, .line = 1, .includer = p->source};
    struct tg_file file = {.text = {NULL, 0}};
    const char *why;

    tell_name(p->c, name);
    why = tg_file_read(p->c->arena, name, &file);
    s.rest = file.text;
    s.dev = file.dev;
    s.ino = file.ino;
    s.depth = p->source != NULL ? p->source->depth + 1 : 1;
    p->files++;
    if (why == NULL)
        why = check_includes(p, &s);
    if (why != NULL)
        tg_conf_error(p->c, at, "cannot read \"%s\": %s", name, why);
    else if (tg_conf_may_use(p->c, name, file.text))
        read_source(p, &s, tail);
}

static void read_glob(struct parser *p, const char *pattern, const struct tg_conf_item *item,
                      const struct tg_conf_item ***tail)
{
    glob_t found;
    int rc;

    tell_name(p->c, pattern);
    rc = glob(pattern, GLOB_ERR, NULL, &found);
    if (rc == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct tg_str name = tg_arena_dup(p->c->arena, tg_str_of(found.gl_pathv[i]));

            parse_read_file(p, name.p, item, tail);
        }
    } else if (rc != GLOB_NOMATCH) {
        tg_conf_error(p->c, item, "cannot search \"%s\": a directory cannot be read", pattern);
    }
    globfree(&found);
}

/* A pattern may match nothing, a plain name may not. Problems inside do not end the includer. */
static bool read_include(struct parser *p, const struct tg_conf_item *item,
                         const struct tg_conf_item ***tail)
{
    struct tg_str path;

    if (item->nargs != 2 || item->args[1].n == 0) {
        tg_conf_error(p->c, item, "\"include\" takes 1 file name or pattern, got %u",
                      item->nargs - 1);
        return true;
    }
    path = tg_conf_path(p->c, item->args[1]);
    if (strpbrk(path.p, "*?[") != NULL)
        read_glob(p, path.p, item, tail);
    else
        parse_read_file(p, path.p, item, tail);
    return true;
}

static const struct tg_conf_item *parse_finish(struct parser *p, unsigned errors,
                                               const struct tg_conf_item *first)
{
    CHECK(p->blocks == 0 && p->source == NULL);
    tg_buf_end(&p->word);
    tg_buf_end(&p->words);
    return p->c->errors == errors ? first : NULL;
}

const struct tg_conf_item *tg_conf_parse(struct tg_conf *c, const char *file)
{
    struct parser p = {.c = c};
    const struct tg_conf_item *first = NULL;
    const struct tg_conf_item **tail = &first;
    unsigned errors = c->errors;

    parse_read_file(&p, tg_arena_dup(c->arena, tg_str_of(file)).p, NULL, &tail);
    return parse_finish(&p, errors, first);
}

const struct tg_conf_item *tg_conf_parse_text(struct tg_conf *c, const char *name,
                                              struct tg_str text)
{
    struct parser p = {.c = c};
    struct source s = {.name = name, .line = 1, .depth = 1};
    const struct tg_conf_item *first = NULL;
    const struct tg_conf_item **tail = &first;
    unsigned errors = c->errors;

    CHECK(name != NULL);
    if (text.n > TG_CONF_MAX_FILE) {
        tg_conf_error(c, NULL, "\"%s\" is larger than 4m", name);
        return NULL;
    }
    s.rest = tg_arena_dup(c->arena, text);
    s.name = tg_arena_dup(c->arena, tg_str_of(name)).p;
    read_source(&p, &s, &tail);
    return parse_finish(&p, errors, first);
}
