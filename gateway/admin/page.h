/* The page for browsers: the files of conf/page, put into the program when it is built. */
#ifndef TG_ADMIN_PAGE_H
#define TG_ADMIN_PAGE_H

#include "base/str.h"

struct tg_page_file {
    const char *path; /* "/" or "/page/NAME" */
    const char *type; /* of its contents */
    const char *etag; /* with its quotes */
    const unsigned char *bytes;
    size_t n;
};

/* Ends with a path that is NULL. */
extern const struct tg_page_file tg_page_files[];

/* The file of a path, or NULL. */
const struct tg_page_file *tg_page_file(const char *path);

/* True when a client that sends this Accept field (NULL: none) wants to see HTML. */
bool tg_page_wanted(const char *accept);

#endif
