/* What a service answered, read strictly as JSON: members of the kinds that are expected. */
#ifndef TG_LIVE_JSON_PAGE_H
#define TG_LIVE_JSON_PAGE_H

#include "json/document.h"

/* Reads `text`; all of it, and what the functions below give, lies in the arena. False: no JSON. */
bool tg_json_page(struct tg_doc *d, struct tg_arena *arena, struct tg_str text);

/* An object that is a member of another; TG_NONE: there is none. `object` may be TG_NONE. */
uint32_t tg_json_page_object(const struct tg_doc *d, uint32_t object, const char *name);

/* The first element of an array that is a member; TG_NONE: there is none, or it is empty. */
uint32_t tg_json_page_list(const struct tg_doc *d, uint32_t object, const char *name);

/* The text of a string that is a member; of a number its digits; else empty. */
struct tg_str tg_json_page_text(const struct tg_doc *d, uint32_t object, const char *name);

/* An integer that is a member, also one in quotes. False: there is none. */
bool tg_json_page_integer(const struct tg_doc *d, uint32_t object, const char *name, int64_t *out);

#endif
