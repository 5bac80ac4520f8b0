/*
 * Names that tell a secret. A pattern without '*' matches a whole word of a name, or the whole
 * name; words end at everything but letters and digits and where a capital follows a small letter,
 * and digits at a word's end do not count: "token" matches auth_token, authToken and TOKEN2, not
 * tokenizer. A pattern with '*' matches the whole name.
 */
#ifndef TG_CHAIN_SECRET_NAMES_H
#define TG_CHAIN_SECRET_NAMES_H

#include "json/document.h"

/* True when a name matches one of the `n` patterns. */
bool tg_name_matches(const struct tg_str *patterns, unsigned n, struct tg_str name);

/* The patterns of names whose values are secrets for everybody, and which audit_redact has unless
 * it is given. */
enum { TG_SECRET_NAMES = 21 };
extern const struct tg_str tg_secret_names[TG_SECRET_NAMES];

/* The members whose value is the name of what the member `value` beside them holds. */
enum { TG_NAMING_MEMBERS = 3 };
extern const struct tg_str tg_naming_members[TG_NAMING_MEMBERS];

/* True for the name of one of them. */
bool tg_name_is_naming(struct tg_str name);

/*
 * True when the value of a node (a value, or the value of a name) is not shown to anybody outside
 * the audit log: it stands in user_command, however that is spelt, or under a secret name, or it is
 * a `value` whose label, key or name is one, or it stands in `parameter` and looks like a key.
 */
bool tg_secret_value(const struct tg_doc *d, uint32_t node);

/* True for a value in `parameter` that is not the name of another. */
bool tg_secret_in_parameter(const struct tg_doc *d, uint32_t node);

#endif
