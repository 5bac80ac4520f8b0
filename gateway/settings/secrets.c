/* Files with secrets: read, or warned of. */
#include "base/crypto.h"
#include "base/file.h"
#include "settings/internal.h"

bool tg_read_secret(struct tg_conf *c, const struct tg_conf_item *item, const char *directive,
                    struct tg_str path, const char *(*fault)(struct tg_str secret),
                    struct tg_str *out)
{
    struct tg_arena arena;
    struct tg_file file;
    const char *why;

    tg_arena_init(&arena);
    why = tg_file_read_private(&arena, path.p, &file);
    if (why == NULL) {
        file.text = tg_str_without_line_ends(file.text);
        why = fault(file.text);
    }
    if (why == NULL)
        *out = tg_arena_dup(c->arena, file.text);
    else
        tg_conf_error(c, item, "\"%s\" %s: %s", directive, path.p, why);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    return why == NULL;
}

void tg_warn_not_private(struct tg_conf *c, const struct tg_conf_item *item, const char *directive,
                         struct tg_str path)
{
    struct tg_arena arena;
    struct tg_file file;
    const char *why;

    tg_arena_init(&arena);
    if (tg_file_read(&arena, path.p, &file) == NULL) {
        why = tg_file_why_not_private(&file);
        if (why != NULL)
            tg_conf_warn(c, item, "\"%s\" %s: %s", directive, path.p, why);
        tg_wipe((void *)(uintptr_t)file.text.p, file.text.n);
    }
    tg_arena_end(&arena);
}
