/*
 * The gateway's own keys, as the process that fetches them hands them to the workers that sign with
 * them: one shared map, written by the keeper alone and read by workers without locks, files or
 * sockets. The map is a sealed memory file: once a process has given up writing (see
 * tg_credential_map_read_only()) it cannot get it back.
 */
#ifndef TG_SIGNING_CREDENTIAL_H
#define TG_SIGNING_CREDENTIAL_H

#include "base/crypto.h"
#include "signing/key_use.h"

#include <sys/types.h>

enum {
    TG_CREDENTIALS = 16,            /* that a configuration can name */
    TG_CREDENTIAL_NAME = 64,        /* bytes, all with their NUL */
    TG_CREDENTIAL_KEY = 128,        /* of an access key */
    TG_CREDENTIAL_SECRET = 256,     /* of a secret key */
    TG_CREDENTIAL_TOKEN = 8192 + 1, /* of a security token */
    TG_CREDENTIAL_PROJECT = 65,     /* of a project's id */
    TG_CREDENTIAL_ERROR = 64,       /* of the word for the last failure */
};

/* --- where keys come from --- */

enum tg_source_kind {
    TG_SOURCE_FILE = 1, /* JSON as the metadata service answers, or the SDKs' INI */
    TG_SOURCE_ENV,      /* HUAWEICLOUD_SDK_AK, ..._SK, ..._SECURITY_TOKEN, ..._PROJECT_ID */
    TG_SOURCE_METADATA, /* the agency of the machine */
    TG_SOURCE_IDTOKEN,  /* a workload's ID token, exchanged at IAM */
};

/* As configured; strings end with a NUL and live as long as the source. */
struct tg_source_conf {
    enum tg_source_kind kind;
    struct tg_str path;    /* FILE: of the file; IDTOKEN: of the ID token; "": neither */
    struct tg_str section; /* FILE: of an INI file */
    struct tg_str base;    /* METADATA, IDTOKEN: "http://169.254.169.254", without closing slash */
    struct tg_str idp;     /* IDTOKEN: the identity provider's name */
    gid_t group;           /* FILE: that may read it beside those of this process */
};

/* What a key is worth now. */
enum tg_credential_state {
    TG_CREDENTIAL_NONE = 1, /* there never was one */
    TG_CREDENTIAL_FRESH,
    TG_CREDENTIAL_STALE,   /* its refresh is due and fails; the key still holds */
    TG_CREDENTIAL_EXPIRED, /* not used any more */
};

/* The word of a state: "none", "fresh", "stale", "expired". */
const char *tg_credential_state_text(enum tg_credential_state state);

/* A key, all of one set: access key, secret and token are never of different ones. Texts end with a
 * NUL; whoever has a copy wipes it (tg_wipe()). */
struct tg_credential {
    char access_key[TG_CREDENTIAL_KEY];
    char secret[TG_CREDENTIAL_SECRET];
    char token[TG_CREDENTIAL_TOKEN];        /* "": a permanent key */
    char project_id[TG_CREDENTIAL_PROJECT]; /* "": the source names none */
    int64_t expires_at;                     /* seconds since 1970 UTC; 0: it does not */
    uint32_t serial; /* which of the credential's keys it is, from 1; given with publication */
};

/* What is known about a key, without its secrets. */
struct tg_credential_status {
    char name[TG_CREDENTIAL_NAME];
    char access_key[TG_CREDENTIAL_KEY]; /* "" before the first */
    enum tg_credential_state state;
    int64_t expires_at;              /* seconds since 1970 UTC; 0: does not, or none yet */
    int64_t refreshed_at;            /* when the key came; 0: never */
    uint64_t refreshes[2];           /* failed, done */
    char error[TG_CREDENTIAL_ERROR]; /* of the last refresh; "" when it was good */
};

struct tg_credential_map;

/* Makes the map; the caller can write it. NULL and errno when the kernel gives none. */
struct tg_credential_map *tg_credential_map_new(void);

/*
 * The way of a map to the program that takes over (USR2): its descriptor, no longer closed by
 * exec(), and there, read-only, what that descriptor is the map of. NULL when it is none, or one of
 * a program that lays it out otherwise.
 */
int tg_credential_map_export(const struct tg_credential_map *c);
struct tg_credential_map *tg_credential_map_import(int fd);

/* Unmaps it. NULL is fine. */
void tg_credential_map_end(struct tg_credential_map *c);

/* Gives writing up in this process, for good. False and errno when the kernel refuses. */
bool tg_credential_map_read_only(struct tg_credential_map *c);

/*
 * The number of the credential `name`, which comes from `source`, given on first sight; -1 when
 * there are TG_CREDENTIALS others or the name is too long. A name keeps its number and its key for
 * the life of the map. For the process that starts the others, before it does.
 */
int tg_credential_map_number(struct tg_credential_map *c, struct tg_str name,
                             const struct tg_source_conf *source);

/* Takes over from an earlier map what it knows of credentials that have this name and source here:
 * the key, unless one is here already, and the counts. */
void tg_credential_map_adopt(struct tg_credential_map *c, const struct tg_credential_map *before);

/* --- the keeper --- */

/* The keeper's event loop turned at `now` (monotonic microseconds); and when it last did (0: not
 * yet), for who watches it. */
void tg_credential_map_turned(struct tg_credential_map *c, uint64_t now);
uint64_t tg_credential_map_heartbeat(const struct tg_credential_map *c);

/* The descriptor that gets readable when a refresh is asked for, and the number of the credential
 * (-1: none is asked for any more). */
int tg_credential_map_bell(const struct tg_credential_map *c);
int tg_credential_map_asked(const struct tg_credential_map *c);

/* A new key came at `now` (seconds since 1970 UTC): it is the one in force from now on. */
void tg_credential_map_publish(struct tg_credential_map *c, int number,
                               const struct tg_credential *key, int64_t now);

/* A refresh failed; the key that is there stays. `error` is a short word without secrets, cut to
 * what fits. `due`: the key should have been renewed by now, so it counts as stale. */
void tg_credential_map_failed(struct tg_credential_map *c, int number, struct tg_str error,
                              bool due);

/* Wipes the key that was in force before the last change, and what a writer that died left: to be
 * called when no worker can still be copying it, a minute later. */
void tg_credential_map_wipe_old(struct tg_credential_map *c, int number);

/* --- all --- */

/* How a key fares at the service: memory that all processes write. */
struct tg_key_use *tg_credential_map_use(const struct tg_credential_map *c, int number);

/* How many seconds the clock of a service is ahead of this machine's, as last seen; false when none
 * was seen yet. */
void tg_credential_map_set_clock(const struct tg_credential_map *c, int64_t ahead);
bool tg_credential_map_clock(const struct tg_credential_map *c, int64_t *ahead);

/* --- workers, admin --- */

/* Asks the keeper for a refresh. */
void tg_credential_map_ask(const struct tg_credential_map *c, int number);

/* Copies the key in force; false when there is none that holds at `now` (seconds since 1970 UTC).
 */
bool tg_credential_map_read(const struct tg_credential_map *c, int number, int64_t now,
                            struct tg_credential *out);

/* What a key is worth at `now` (seconds since 1970 UTC). */
enum tg_credential_state tg_credential_map_state(const struct tg_credential_map *c, int number,
                                                 int64_t now);

/* The serial of the key in force; 0: there never was one. */
uint32_t tg_credential_map_serial(const struct tg_credential_map *c, int number);

/* What is known about a key at `now`. */
void tg_credential_map_status(const struct tg_credential_map *c, int number, int64_t now,
                              struct tg_credential_status *out);

/* How many names have a number. */
int tg_credential_map_count(const struct tg_credential_map *c);

#endif
