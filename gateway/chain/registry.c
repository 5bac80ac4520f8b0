/* The filters a process knows: those of filters/table.c, then known. */
#include "chain/filter.h"

#include "base/check.h"

#include <dlfcn.h>

/* Beside the log the one thing that is known process-wide: a shared object stays loaded until the
 * process ends, so configurations that come and go share what it brought. Only ever grows, and only
 * while a configuration is loaded. */
static struct {
    const struct tg_filter *filters[TG_MAX_FILTERS];
    unsigned count;
} known;

void tg_filter_register(const struct tg_filter *const *builtin)
{
    CHECK(known.count == 0);
    while (builtin[known.count] != NULL) {
        CHECK(known.count < TG_MAX_FILTERS);
        known.filters[known.count] = builtin[known.count];
        known.count++;
    }
}

unsigned tg_filter_count(void)
{
    return known.count;
}

const struct tg_filter *tg_filter_at(unsigned i)
{
    CHECK(i < known.count);
    return known.filters[i];
}

int tg_filter_index(struct tg_str name)
{
    unsigned n = tg_filter_count();

    for (unsigned i = 0; i < n; i++)
        if (tg_str_eq(name, tg_str_of(tg_filter_at(i)->name)))
            return (int)i;
    return -1;
}

/* The same object loads again at each reload: dlopen() then gives the same address. */
static bool is_loaded(const struct tg_filter *f)
{
    for (unsigned i = 0; i < known.count; i++)
        if (known.filters[i] == f)
            return true;
    return false;
}

/* NULL when the filter may be added, else why not. Nothing but `abi` is read before it fits. */
static const char *check_module(struct tg_arena *arena, const struct tg_filter *f)
{
    if (f->abi != TG_FILTER_ABI)
        return tg_arena_printf(arena, "it was built for filter ABI %u, this is %d", f->abi,
                               TG_FILTER_ABI)
            .p;
    if (f->name == NULL || f->name[0] == '\0' || f->on_request == NULL)
        return "its filter has no name or no on_request";
    if (tg_filter_index(tg_str_of(f->name)) >= 0)
        return tg_arena_printf(arena, "a filter named \"%s\" is there already", f->name).p;
    if (tg_filter_count() == TG_MAX_FILTERS)
        return "there are too many filters";
    return NULL;
}

const char *tg_filter_load_module(struct tg_arena *arena, const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct tg_filter *f;
    const char *why = NULL;

    if (handle == NULL)
        return tg_arena_dup(arena, tg_str_of(dlerror())).p;
    f = dlsym(handle, "tg_module_filter");
    if (f == NULL)
        why = "it does not export \"tg_module_filter\"";
    else if (!is_loaded(f))
        why = check_module(arena, f);
    if (why != NULL || is_loaded(f)) {
        dlclose(handle);
        return why;
    }
    CHECK(known.count < TG_MAX_FILTERS);
    known.filters[known.count++] = f;
    return NULL;
}
