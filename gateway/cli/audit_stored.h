/*
 * Records that were stored elsewhere and come in no order: each is given on as soon as those before
 * it in its stream were. What waits for a line before it lies in a file without a name ($TMPDIR, or
 * /tmp). Memory grows by 16 bytes with each line, by which one that comes again is known, and by 80
 * with each one that waits: lines that come by stream and number, or as their workers wrote them,
 * never wait.
 */
#ifndef TG_CLI_AUDIT_STORED_H
#define TG_CLI_AUDIT_STORED_H

#include "cli/audit.h"

struct tg_audit_stored;

/* Takes a line; `twice` is one that was given before, letter by letter. False stops. */
typedef bool tg_audit_take_stored(void *context, struct tg_str text,
                                  const struct tg_audit_place *place, bool twice);

/* No lines yet. End it. */
struct tg_audit_stored *tg_audit_stored_new(tg_audit_take_stored *take, void *context);

/*
 * Takes a record's line (tg_audit_line_read() has read it as `line`), and gives what can be given
 * now. A record that continues a stream is given behind its namesake. False when nothing more is to
 * come: the taker wanted no more, or tg_audit_stored_trouble() tells why.
 */
bool tg_audit_store(struct tg_audit_stored *all, struct tg_str text,
                    const struct tg_audit_line *line, const struct tg_audit_place *place);

/* Gives what waited for lines that did not come, by stream and number. False as above. */
bool tg_audit_stored_rest(struct tg_audit_stored *all);

/* True when the line of this number was given, and its chain is `chain` (64 hex digits). */
bool tg_audit_stored_had(struct tg_audit_stored *all, struct tg_str stream, uint64_t seq,
                         const char *chain);

/* Why lines could not be kept, or NULL. */
const char *tg_audit_stored_trouble(const struct tg_audit_stored *all);

/* Frees all. NULL is fine. */
void tg_audit_stored_end(struct tg_audit_stored *all);

#endif
