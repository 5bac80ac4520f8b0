/* Hands out the files of the page for browsers. */
#include "admin/page.h"

#include "http/accept.h"

const struct tg_page_file *tg_page_file(const char *path)
{
    for (const struct tg_page_file *f = tg_page_files; f->path != NULL; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

/* Browsers name it; what asks for text, or for anything, is no browser. */
bool tg_page_wanted(const char *accept)
{
    return tg_accept_weight(tg_str_of(accept), TG_STR("text/html"), TG_STR("")) > 0;
}
