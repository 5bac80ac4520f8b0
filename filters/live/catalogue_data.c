/* Reading the service's lists, and finding in them. */
#include "live/catalogue_data.h"

#include "base/check.h"
#include "live/json_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PER_PAGE = 100, MAX_CHOICES = 20000 };

/* How each list is asked for and read. */
static const struct {
    const char *path; /* behind the project */
    const char *member;
    const char *id;
    const char *name;
    const char *count; /* how many there are on all pages */
    bool paged;
    bool needed; /* an answer without the list is none */
} lists[TG_CHOICE_LISTS] = {
    [TG_CHOICE_SPECS] = {"job/resource-specs?job_type=train", "specs", "spec_id", "spec_code", NULL,
                         false, true},
    [TG_CHOICE_ENGINES] = {"job/ai-engines?job_type=train", "engines", "engine_id",
                           "engine_version", NULL, false, true},
    [TG_CHOICE_MODELS] = {"built-in-algorithms?per_page=100&page=", "models", "model_id",
                          "model_name", "model_total_count", true, true},
};

const char *tg_catalogue_member(unsigned list)
{
    CHECK(list < TG_CHOICE_LISTS);
    return lists[list].member;
}

/* --- one choice --- */

static bool is_number(struct tg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= 18 && (s.n == 1 || *s.p != '0');
}

static int64_t number_or_none(const struct tg_doc *d, uint32_t element, const char *name)
{
    int64_t n;

    return tg_json_page_integer(d, element, name, &n) && n >= 0 ? n : -1;
}

static bool is_true(const struct tg_doc *d, uint32_t element, const char *name)
{
    uint32_t node = tg_doc_member(d, element, tg_str_of(name));

    return node != TG_NONE && tg_doc_type(d, node) == TG_TRUE;
}

/* False: it has no id, and nobody can choose it. */
static bool read_choice(const struct tg_doc *d, uint32_t element, enum tg_choice_list list,
                        struct tg_choice *c)
{
    if (tg_doc_type(d, element) != TG_OBJECT ||
        !tg_json_page_integer(d, element, lists[list].id, &c->id))
        return false;
    c->name = tg_json_page_text(d, element, lists[list].name);
    if (list == TG_CHOICE_ENGINES)
        c->engine_name = tg_json_page_text(d, element, "engine_name");
    if (list != TG_CHOICE_SPECS)
        return true;
    c->gpu_type = tg_json_page_text(d, element, "gpu_type");
    c->cpu = tg_json_page_text(d, element, "cpu");
    if (!is_number(c->cpu))
        c->cpu = TG_STR("");
    c->gpu_num = number_or_none(d, element, "gpu_num");
    c->max_num = number_or_none(d, element, "max_num");
    c->no_resource = is_true(d, element, "no_resource");
    return true;
}

/* --- a list --- */

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct tg_choice *)a)->id, y = ((const struct tg_choice *)b)->id;

    return (x > y) - (x < y);
}

const struct tg_choice *tg_catalogue_find(const struct tg_choices *list, int64_t id)
{
    struct tg_choice key = {.id = id};

    return list->n > 0 ? bsearch(&key, list->at, list->n, sizeof(key), by_id) : NULL;
}

/* Texts live as long as the list: those of a page are its own. */
static struct tg_choice kept(struct tg_arena *arena, const struct tg_choice *from)
{
    struct tg_choice c = *from;
    struct tg_str *texts[] = {&c.name, &c.gpu_type, &c.cpu, &c.engine_name};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        *texts[i] = tg_arena_dup(arena, *texts[i]);
    return c;
}

static unsigned count_elements(const struct tg_doc *d, uint32_t first)
{
    unsigned n = 0;

    for (uint32_t e = first; e != TG_NONE; e = tg_doc_next(d, e))
        n++;
    return n;
}

/* Adds what is new; returns how much that is. */
static unsigned add_page(struct tg_choices *to, struct tg_arena *arena, const struct tg_doc *d,
                         uint32_t first, enum tg_choice_list list)
{
    struct tg_choices all = *to;
    struct tg_choice *at = tg_arena_alloc(arena, (to->n + count_elements(d, first)) * sizeof(*at));

    if (to->n > 0)
        memcpy(at, to->at, to->n * sizeof(*at));
    all.at = at;
    for (uint32_t e = first; e != TG_NONE; e = tg_doc_next(d, e)) {
        struct tg_choice c = {.gpu_num = -1, .max_num = -1};

        if (read_choice(d, e, list, &c) && tg_catalogue_find(to, c.id) == NULL)
            at[all.n++] = kept(arena, &c);
    }
    qsort(at, all.n, sizeof(*at), by_id);
    unsigned added = all.n - to->n;
    *to = all;
    return added;
}

/* --- pages --- */

static struct tg_str target_of(struct tg_arena *arena, struct tg_str project, unsigned list,
                               unsigned page)
{
    char number[16] = "";

    if (lists[list].paged)
        snprintf(number, sizeof(number), "%u", page);
    return tg_arena_printf(arena, "/v1/%.*s/%s%s", TG_STR_ARG(project), lists[list].path, number);
}

static struct tg_str first_target(struct tg_arena *arena, const struct tg_lookup_ask *ask)
{
    return target_of(arena, ask->subject, TG_CHOICE_SPECS, 1);
}

/* Whether one more page has to be asked for: as long as the count is not reached; without a count,
 * as long as pages are full. */
static bool is_last(const struct tg_doc *d, const struct tg_choices *so_far, unsigned list,
                    unsigned elements)
{
    int64_t total;

    if (!lists[list].paged || elements == 0)
        return true;
    if (tg_json_page_integer(d, 0, lists[list].count, &total))
        return total <= so_far->n;
    return elements < PER_PAGE;
}

static const char *take_list(struct tg_catalogue *c, struct tg_arena *arena, const struct tg_doc *d,
                             bool *last)
{
    struct tg_choices *list = &c->list[c->reading];
    uint32_t array = tg_doc_member(d, 0, tg_str_of(lists[c->reading].member));
    unsigned elements;

    if (array == TG_NONE || tg_doc_type(d, array) != TG_ARRAY)
        return lists[c->reading].needed ? "the answer has no list of what there is" : NULL;
    elements = count_elements(d, tg_doc_first(d, array));
    if (list->n + elements > MAX_CHOICES)
        return "the list has more than 20000 elements";
    if (add_page(list, arena, d, tg_doc_first(d, array), (enum tg_choice_list)c->reading) == 0 &&
        elements > 0 && c->page > 1)
        return "a page repeats itself";
    *last = is_last(d, list, c->reading, elements);
    return NULL;
}

static const char *on_page(struct tg_lookup_page *page)
{
    struct tg_catalogue *c = page->value;
    struct tg_arena arena; /* of this page */
    struct tg_doc d;
    const char *why = "the answer is no JSON object";
    bool last = false;

    c->page++;
    tg_arena_init(&arena);
    if (tg_json_page(&d, &arena, page->body))
        why = take_list(c, page->arena, &d, &last);
    tg_arena_end(&arena);
    if (why != NULL)
        return why;
    if (last) {
        c->reading++;
        c->page = 0;
    }
    if (c->reading < TG_CHOICE_LISTS)
        page->next = target_of(page->arena, page->ask->subject, c->reading, c->page + 1);
    return NULL;
}

const struct tg_lookup_kind tg_catalogue_kind = {
    .what = "catalogue",
    .doing = "asking for the catalogue",
    .value_size = sizeof(struct tg_catalogue),
    .kept = true,
    .target = first_target,
    .on_page = on_page,
};

const char *tg_catalogue_read(struct tg_catalogue *c, struct tg_arena *arena, struct tg_str text)
{
    struct tg_doc d;
    bool last;

    *c = (struct tg_catalogue){.page = 1};
    if (!tg_json_page(&d, arena, text))
        return "it is no JSON object";
    for (; c->reading < TG_CHOICE_LISTS; c->reading++) {
        const char *why = take_list(c, arena, &d, &last);

        if (why != NULL)
            return why;
    }
    return NULL;
}

/* --- what is meant --- */

/* How many characters have to be typed differently (Levenshtein); ids are short. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[24], n = (unsigned)strlen(b);

    CHECK(n < 24);
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned before = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned changed = before + (a[i - 1] != b[j - 1]);
            unsigned shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            before = row[j];
            row[j] = changed < shorter ? changed : shorter;
        }
    }
    return row[n];
}

/* Typed alike first, then near as numbers. */
static bool is_nearer(int64_t id, const char *text, const struct tg_choice *a,
                      const struct tg_choice *b)
{
    char ta[24], tb[24];
    unsigned da, db;

    snprintf(ta, sizeof(ta), "%" PRId64, a->id);
    snprintf(tb, sizeof(tb), "%" PRId64, b->id);
    da = distance(text, ta);
    db = distance(text, tb);
    if (da != db)
        return da < db;
    return llabs(a->id / 2 - id / 2) < llabs(b->id / 2 - id / 2);
}

void tg_catalogue_nearest(const struct tg_choices *list, int64_t id, struct tg_buf *out)
{
    const struct tg_choice *best[TG_NEAREST] = {NULL};
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, id);
    for (unsigned i = 0; i < list->n; i++) {
        const struct tg_choice *c = &list->at[i];

        for (unsigned k = 0; k < TG_NEAREST && c != NULL; k++)
            if (best[k] == NULL || is_nearer(id, text, c, best[k])) {
                const struct tg_choice *next = best[k];

                best[k] = c;
                c = next;
            }
    }
    for (unsigned k = 0; k < TG_NEAREST && best[k] != NULL; k++)
        tg_buf_printf(out, "%s%" PRId64 " (%.*s)", k > 0 ? ", " : "", best[k]->id,
                      TG_STR_ARG(best[k]->name));
}
