/*
 * The list of a signed set of policies, which stands in their folder as MANIFEST:
 *
 *   # revision 42
 *   # expires 2027-01-31
 *   <hex SHA-256>  team.conf
 *
 * Behind the first two lines it is what sha256sum(1) writes and checks. Beside it, in MANIFEST.sig,
 * are the 64 bytes of an Ed25519 signature of all its bytes.
 */
#ifndef TG_POLICY_MANIFEST_H
#define TG_POLICY_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"

#define TG_MANIFEST           "MANIFEST"
#define TG_MANIFEST_SIGNATURE "MANIFEST.sig"

struct tg_manifest_file {
    struct tg_str name; /* within the folder, NUL-terminated */
    unsigned char digest[TG_SHA256];
    bool seen; /* its bytes were compared */
};

struct tg_manifest {
    uint64_t revision;              /* from 1 */
    struct tg_str expires;          /* the last day it holds, YYYY-MM-DD */
    int64_t expires_at;             /* the first second it no longer does, since 1970 UTC */
    struct tg_manifest_file *files; /* sorted by name */
    unsigned n;
};

/*
 * Reads a list. Names are plain: they stay inside the folder, and each stands once. NULL, or what
 * is wrong as the second half of a sentence, and then *line is where, from 1.
 */
const char *tg_manifest_read(struct tg_arena *arena, struct tg_str text, struct tg_manifest *out,
                             unsigned *line);

/* True for a name that may stand in a list: relative, without empty parts, "." or "..", blanks at
 * its ends, backslashes and control characters. */
bool tg_manifest_name(struct tg_str name);

/* The entry of a name, or NULL. */
struct tg_manifest_file *tg_manifest_find(const struct tg_manifest *m, struct tg_str name);

/* Appends a list as tg_manifest_read() takes it. */
void tg_manifest_write(const struct tg_manifest *m, struct tg_buf *out);

#endif
