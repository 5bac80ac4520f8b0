/* The steps for OBS paths. They cut and add at the ends; what stands between stays as it is spelt.
 */
#include "base/check.h"
#include "normalize/internal.h"

/* Behind how many bytes of a string's JSON text its first `chars` characters are (all ASCII). What
 * follows stays spelt as it is, escapes included. */
static size_t raw_length(struct tg_str text, size_t chars)
{
    size_t at = 1; /* the quote */

    for (; chars > 0; chars--)
        at += text.p[at] != '\\' ? 1 : text.p[at + 1] == 'u' ? 6 : 2;
    CHECK(at < text.n);
    return at;
}

static void drop_scheme(struct tg_normal *n, uint32_t node)
{
    static const struct tg_str schemes[] = {{"obs://", 6}, {"s3://", 5}};
    struct tg_str value, text;

    if (node == TG_NONE || tg_doc_type(n->doc, node) != TG_STRING)
        return;
    value = tg_doc_string(n->doc, node);
    if (value.n > 0 && value.p[0] == '/')
        return; /* most are paths already */
    text = tg_doc_text(n->doc, node);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t chars = schemes[i].n;

        /* "s3:///x" names no bucket: left to the rules */
        if (!tg_str_starts(value, schemes[i]) || value.n == chars || value.p[chars] == '/')
            continue;
        text = tg_str_skip(text, raw_length(text, chars));
        text = tg_arena_printf(n->request->arena, "\"/%.*s", TG_STR_ARG(text));
        tg_doc_replace(n->doc, node, TG_STRING, text, n->why);
        return;
    }
}

static void drop_scheme_in_source(struct tg_normal *n, uint32_t element)
{
    drop_scheme(n, tg_normal_value(n, TG_DATA_SOURCE, element, TG_SOURCE_DATA_URL));
}

void tg_normal_obs_scheme(struct tg_normal *n)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++)
        if (tg_contract_config[i].flags & TG_CONTRACT_OBS)
            drop_scheme(n, n->member[i]);
    tg_normal_each(n, TG_DATA_SOURCE, drop_scheme_in_source);
}

void tg_normal_directory_slash(struct tg_normal *n)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++) {
        struct tg_str text;
        uint32_t node = n->member[i];

        if (!(tg_contract_config[i].flags & TG_CONTRACT_DIRECTORY) || node == TG_NONE ||
            tg_doc_type(n->doc, node) != TG_STRING)
            continue;
        text = tg_doc_string(n->doc, node);
        if (!tg_str_starts(text, TG_STR("/")) || tg_str_ends(text, TG_STR("/")))
            continue;
        text = tg_doc_text(n->doc, node);
        text = tg_arena_printf(n->request->arena, "%.*s/\"", (int)text.n - 1, text.p);
        tg_doc_replace(n->doc, node, TG_STRING, text, n->why);
    }
}
