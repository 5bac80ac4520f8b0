/* Looking names up in the contract's tables, and what is kept of it beside the document. */
#include "base/check.h"
#include "config/conf.h"
#include "contract/contract.h"

/* --- names --- */

/*
 * Where a config's name stands in its table, by its length and two of its letters: no two names
 * have one slot, as a test shows. A slot that no name has tells the first row: its name is another
 * one too.
 */
#define SLOT(length, second, last_but_one)                                                         \
    ((5U * (unsigned)(length) + 9U * ((unsigned)(second) + (unsigned)(last_but_one))) & 127U)

static const uint8_t slots[128] = {
    [SLOT(11, 'o', 's')] = TG_CONFIG_DESC,
    [SLOT(17, 'o', 'u')] = TG_WORKER_SERVER_NUM,
    [SLOT(7, 'p', 'r')] = TG_APP_URL,
    [SLOT(13, 'o', 'r')] = TG_BOOT_FILE_URL,
    [SLOT(8, 'o', 'i')] = TG_MODEL_ID,
    [SLOT(9, 'a', 'e')] = TG_PARAMETER,
    [SLOT(7, 'p', 'i')] = TG_SPEC_ID,
    [SLOT(8, 'a', 'r')] = TG_DATA_URL,
    [SLOT(10, 'a', 'i')] = TG_DATASET_ID,
    [SLOT(18, 'a', 'i')] = TG_DATASET_VERSION_ID,
    [SLOT(11, 'a', 'c')] = TG_DATA_SOURCE,
    [SLOT(9, 'n', 'i')] = TG_ENGINE_ID,
    [SLOT(9, 'r', 'r')] = TG_TRAIN_URL,
    [SLOT(7, 'o', 'r')] = TG_LOG_URL,
    [SLOT(14, 's', 'r')] = TG_USER_IMAGE_URL,
    [SLOT(12, 's', 'n')] = TG_USER_COMMAND,
    [SLOT(6, 'l', 'o')] = TG_FLAVOR,
    [SLOT(11, 'o', 'm')] = TG_CONFIG_NAME,
    [SLOT(7, 'o', 'i')] = TG_POOL_ID,
    [SLOT(7, 'o', 'e')] = TG_VOLUMES,
    [SLOT(8, 'a', 'p')] = TG_NAS_TYPE,
    [SLOT(14, 'a', 'd')] = TG_NAS_SHARE_ADDR,
    [SLOT(14, 'a', 't')] = TG_NAS_MOUNT_PATH,
    [SLOT(12, 'o', 'o')] = TG_NOTIFICATION,
    [SLOT(14, 'r', 'o')] = TG_CREATE_VERSION,
    [SLOT(10, 's', 's')] = TG_IS_SUCCESS,
    [SLOT(11, 'n', 'p')] = TG_ENGINE_TYPE,
    [SLOT(11, 'n', 'm')] = TG_ENGINE_NAME,
    [SLOT(14, 'n', 'o')] = TG_ENGINE_VERSION,
    [SLOT(9, 'p', 'd')] = TG_SPEC_CODE,
    [SLOT(8, 'p', 'p')] = TG_GPU_TYPE,
    [SLOT(7, 'p', 'u')] = TG_GPU_NUM,
    [SLOT(3, 'p', 'p')] = TG_CPU,
    [SLOT(4, 'o', 'r')] = TG_CORE,
    [SLOT(11, 'r', 'm')] = TG_CREATE_TIME,
    [SLOT(12, 'a', 'm')] = TG_DATASET_NAME,
    [SLOT(20, 'a', 'm')] = TG_DATASET_VERSION_NAME,
    [SLOT(9, 'o', 'm')] = TG_POOL_NAME,
};

static bool is_named(const struct tg_contract_member *row, struct tg_str name)
{
    return row->length == name.n && tg_str_same(row->name, name.p, name.n);
}

static unsigned number_in_config(struct tg_str name)
{
    unsigned row;

    if (name.n < 2)
        return TG_CONTRACT_UNKNOWN;
    row = slots[SLOT(name.n, (unsigned char)name.p[1], (unsigned char)name.p[name.n - 2])];
    return is_named(&tg_contract_config[row], name) ? row + 1 : TG_CONTRACT_UNKNOWN;
}

_Static_assert((int)TG_CONFIG_ROWS < (int)TG_CONTRACT_UNKNOWN, "the number of a row fits a byte");

/* The number of a row plus 1, or TG_CONTRACT_UNKNOWN. */
static inline unsigned number_of(const struct tg_contract_member *members, struct tg_str name)
{
    CHECK(members != NULL);
    if (members == tg_contract_config)
        return number_in_config(name);
    for (unsigned row = 0; members[row].name != NULL; row++)
        if (is_named(&members[row], name))
            return row + 1;
    return TG_CONTRACT_UNKNOWN;
}

const struct tg_contract_member *tg_contract_find(const struct tg_contract_member *members,
                                                  struct tg_str name)
{
    unsigned number = number_of(members, name);

    return number == TG_CONTRACT_UNKNOWN ? NULL : &members[number - 1];
}

unsigned tg_contract_look_up(const struct tg_doc *d, const struct tg_contract_member *members,
                             uint32_t name, uint8_t *note)
{
    CHECK(tg_doc_type(d, name) == TG_NAME);
    *note = (uint8_t)number_of(members, tg_doc_string(d, name));
    return *note;
}

/* --- notes beside a document --- */

static void names_make_room(const struct tg_doc *d, struct tg_contract_notes *notes)
{
    uint8_t *node = tg_arena_zalloc(d->arena, d->cap, sizeof(*node));

    memcpy(node, notes->node, notes->nodes * sizeof(*node));
    notes->node = node;
    notes->nodes = d->cap;
}

/* A new text: what was found out about the old one is forgotten. A change of an object's names: its
 * view as well. */
static void names_forget(const struct tg_doc *d, struct tg_contract_notes *notes,
                         const struct tg_change *c)
{
    notes->node[c->node] = 0;
    if (c->op != TG_CHANGE_REPLACE && tg_doc_parent(d, c->node) == notes->object)
        notes->object = TG_NONE;
}

void tg_contract_catch_up(const struct tg_doc *d, struct tg_contract_notes *notes)
{
    const struct tg_change *c = notes->last_change != NULL ? notes->last_change->next : d->changes;

    if (d->count > notes->nodes)
        names_make_room(d, notes);
    for (; c != NULL; c = c->next)
        names_forget(d, notes, c);
    notes->last_change = d->last_change;
}

static struct tg_contract_notes *begin_notes(struct tg_doc *d)
{
    struct tg_contract_notes *notes = tg_arena_alloc(d->arena, sizeof(*notes) + d->cap);

    *notes = (struct tg_contract_notes){.node = (uint8_t *)(notes + 1),
                                        .nodes = d->cap,
                                        .object = TG_NONE,
                                        .last_change = d->last_change};
    memset(notes->node, 0, d->cap);
    d->beside = notes;
    return notes;
}

/* --- members --- */

/* The same from one name on, the first that may not be looked up yet. */
__attribute__((noinline)) static uint32_t value_from(const struct tg_doc *d, uint32_t name,
                                                     const struct tg_contract_member *members,
                                                     unsigned row)
{
    for (uint32_t m = name; m != TG_NONE; m = tg_doc_next(d, m))
        if (tg_contract_number(d, members, m) == row + 1)
            return tg_doc_value(d, m);
    return TG_NONE;
}

uint32_t tg_contract_value(const struct tg_doc *d, uint32_t object,
                           const struct tg_contract_member *members, unsigned row)
{
    const struct tg_contract_notes *notes = d->beside;
    uint32_t m = tg_doc_first(d, object);

    if (notes->last_change != d->last_change)
        return value_from(d, m, members, row);
    while (m != TG_NONE && notes->node[m] != 0 && notes->node[m] != row + 1)
        m = tg_doc_next(d, m);
    if (m == TG_NONE)
        return TG_NONE;
    return notes->node[m] != 0 ? tg_doc_value(d, m) : value_from(d, m, members, row);
}

static struct tg_contract_view *new_view(const struct tg_doc *d)
{
    struct tg_contract_view *view = tg_arena_alloc(d->arena, sizeof(*view));

    memset(view->value, 0xff, sizeof(view->value)); /* TG_NONE */
    view->flags = 0;
    view->unknown = false;
    return view;
}

const struct tg_contract_view *tg_contract_members(struct tg_doc *d, uint32_t object)
{
    struct tg_contract_notes *notes = d->beside != NULL ? tg_contract_notes(d) : begin_notes(d);
    struct tg_contract_view *view;

    CHECK(object < d->count && tg_doc_type(d, object) == TG_OBJECT);
    if (notes->object == object)
        return notes->view;
    view = new_view(d);
    for (uint32_t m = tg_doc_first(d, object); m != TG_NONE; m = tg_doc_next(d, m)) {
        uint8_t *note = &notes->node[m];
        unsigned number = *note != 0 ? *note : tg_contract_look_up(d, tg_contract_config, m, note);

        if (number == TG_CONTRACT_UNKNOWN) {
            view->unknown = true;
            continue;
        }
        view->value[number - 1] = tg_doc_value(d, m);
        view->flags |= tg_contract_config[number - 1].flags;
    }
    notes->view = view;
    notes->object = object;
    return view;
}

const char *tg_contract_nearest(const struct tg_contract_member *members, struct tg_str name)
{
    const char *names[64];
    unsigned n = 0;

    for (; members->name != NULL; members++) {
        CHECK(n + 1 < sizeof(names) / sizeof(*names));
        if (!(members->flags & TG_CONTRACT_RESPONSE))
            names[n++] = members->name;
    }
    names[n] = NULL;
    return tg_conf_nearest(name, names);
}
