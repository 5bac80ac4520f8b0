/* Records that were stored elsewhere and come in no order: kept, and given in the order in which
 * they were written. */
#ifndef TG_CLI_AUDIT_STORED_H
#define TG_CLI_AUDIT_STORED_H

#include "cli/audit.h"

struct tg_audit_stored;

/* No lines yet; their texts are kept in the arena, which lives longer. End it. */
struct tg_audit_stored *tg_audit_stored_new(struct tg_arena *arena);

/* Keeps a copy of a line with its place, whose file goes on for one that is not rotated. False, and
 * nothing is kept, for a line that is no record. */
bool tg_audit_store(struct tg_audit_stored *all, struct tg_str text,
                    const struct tg_audit_place *place);

/* Takes each line; `twice` is one with the text of the line before it. False stops. */
typedef bool tg_audit_take_stored(void *context, struct tg_str text,
                                  const struct tg_audit_place *place, bool twice);

/* Gives all lines by stream, then by number; the record that continues a stream comes behind its
 * namesake. */
void tg_audit_stored_read(struct tg_audit_stored *all, tg_audit_take_stored *take, void *context);

/* Frees what the arena does not. */
void tg_audit_stored_end(struct tg_audit_stored *all);

#endif
