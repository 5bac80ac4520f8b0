#include "admin/page.h"

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
    return accept != NULL && strstr(accept, "text/html") != NULL;
}
