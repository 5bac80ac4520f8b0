/* Live values: what filters publish about a request, what later ones read. */
#include "chain/live.h"

#include "base/check.h"

enum { MAX_DIGITS = 20 }; /* of a 64-bit integer, sign included */

const struct tg_live_info tg_live_infos[TG_LIVE_NAMES] = {
    [TG_LIVE_SPEC_CODE] = {"spec.spec_code", TG_LIVE_TEXT, "catalogue"},
    [TG_LIVE_SPEC_GPU_TYPE] = {"spec.gpu_type", TG_LIVE_TEXT, "catalogue"},
    [TG_LIVE_SPEC_GPU_NUM] = {"spec.gpu_num", TG_LIVE_NUMBER, "catalogue"},
    [TG_LIVE_SPEC_CPU] = {"spec.cpu", TG_LIVE_NUMBER, "catalogue"},
    [TG_LIVE_SPEC_MAX_NUM] = {"spec.max_num", TG_LIVE_NUMBER, "catalogue"},
    [TG_LIVE_ENGINE_NAME] = {"engine.engine_name", TG_LIVE_TEXT, "catalogue"},
    [TG_LIVE_ENGINE_VERSION] = {"engine.engine_version", TG_LIVE_TEXT, "catalogue"},
    [TG_LIVE_MODEL_NAME] = {"model.model_name", TG_LIVE_TEXT, "catalogue"},
    [TG_LIVE_TOTAL_GPUS] = {"total.gpus", TG_LIVE_NUMBER, "catalogue"},
    [TG_LIVE_USER_NAME] = {"user.name", TG_LIVE_TEXT, "identify"},
    [TG_LIVE_USER_ID] = {"user.id", TG_LIVE_TEXT, "identify"},
    [TG_LIVE_DOMAIN] = {"domain", TG_LIVE_TEXT, "identify"},
    [TG_LIVE_ROLES] = {"role", TG_LIVE_LIST, "identify"},
};

enum tg_live_name tg_live_find(struct tg_str name)
{
    unsigned i = 0;

    while (i < TG_LIVE_NAMES && !tg_str_eq(name, tg_str_of(tg_live_infos[i].name)))
        i++;
    return (enum tg_live_name)i;
}

static struct tg_live *live_of(struct tg_request *r)
{
    if (r->live == NULL)
        r->live = tg_arena_zalloc(r->arena, 1, sizeof(*r->live));
    return r->live;
}

static void set(struct tg_request *r, enum tg_live_name name, enum tg_live_kind kind,
                struct tg_live_value value)
{
    CHECK(name < TG_LIVE_NAMES && tg_live_infos[name].kind == kind);
    value.state = TG_LIVE_KNOWN;
    live_of(r)->values[name] = value;
}

void tg_live_set_text(struct tg_request *r, enum tg_live_name name, struct tg_str text)
{
    set(r, name, TG_LIVE_TEXT, (struct tg_live_value){.text = text});
}

void tg_live_set_number(struct tg_request *r, enum tg_live_name name, struct tg_str text)
{
    CHECK(text.n > 0);
    set(r, name, TG_LIVE_NUMBER, (struct tg_live_value){.text = text});
}

void tg_live_set_integer(struct tg_request *r, enum tg_live_name name, int64_t value)
{
    char *end = (char *)tg_arena_alloc(r->arena, MAX_DIGITS) + MAX_DIGITS, *at = end;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (value < 0)
        *--at = '-';
    tg_live_set_number(r, name, (struct tg_str){at, (size_t)(end - at)});
}

void tg_live_set_list(struct tg_request *r, enum tg_live_name name, const struct tg_str *items,
                      unsigned nitems)
{
    set(r, name, TG_LIVE_LIST, (struct tg_live_value){.items = items, .nitems = nitems});
}

void tg_live_set_absent(struct tg_request *r, enum tg_live_name name)
{
    CHECK(name < TG_LIVE_NAMES);
    live_of(r)->values[name] = (struct tg_live_value){.state = TG_LIVE_ABSENT};
}

void tg_live_set_old(struct tg_request *r, struct tg_doc *doc, uint32_t config)
{
    CHECK(doc == NULL || config < doc->count);
    live_of(r)->old =
        (struct tg_live_old){doc != NULL ? TG_LIVE_KNOWN : TG_LIVE_ABSENT, false, doc, config};
}

const struct tg_live_value *tg_live_read(struct tg_request *r, enum tg_live_name name)
{
    struct tg_live_value *value = &live_of(r)->values[name];

    CHECK(name < TG_LIVE_NAMES);
    value->read = true;
    return value;
}

const struct tg_live_old *tg_live_read_old(struct tg_request *r)
{
    struct tg_live_old *old = &live_of(r)->old;

    old->read = true;
    return old;
}
