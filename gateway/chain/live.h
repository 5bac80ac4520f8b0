/*
 * What a request itself does not say: what the service offers, what stands there already, who asks.
 * An earlier filter (`identify`, `catalogue`, `current`) publishes it, later ones judge by it, and
 * the audit record tells what they read. What nobody published is not known.
 */
#ifndef TG_CHAIN_LIVE_H
#define TG_CHAIN_LIVE_H

#include "chain/request.h"

enum tg_live_state {
    TG_LIVE_UNKNOWN = 0, /* nobody could tell: no such filter, or its look-up failed */
    TG_LIVE_ABSENT,      /* known to be nothing */
    TG_LIVE_KNOWN
};

/* The values there are. */
enum tg_live_name {
    TG_LIVE_SPEC_CODE = 0, /* of the resource specification the config names */
    TG_LIVE_SPEC_GPU_TYPE,
    TG_LIVE_SPEC_GPU_NUM,
    TG_LIVE_SPEC_CPU,
    TG_LIVE_SPEC_MAX_NUM,
    TG_LIVE_ENGINE_NAME,
    TG_LIVE_ENGINE_VERSION,
    TG_LIVE_MODEL_NAME,
    TG_LIVE_TOTAL_GPUS, /* gpu_num times worker_server_num */
    TG_LIVE_USER_NAME,  /* who asks; unique within the domain alone */
    TG_LIVE_USER_ID,
    TG_LIVE_DOMAIN, /* the user's */
    TG_LIVE_ROLES,  /* only those within the domain that owns the path's project */
    TG_LIVE_NAMES
};

enum tg_live_kind { TG_LIVE_TEXT = 1, TG_LIVE_NUMBER, TG_LIVE_LIST };

/* What is the same for every request. */
struct tg_live_info {
    const char *name; /* as policies and records write it, e.g. "spec.gpu_num" */
    enum tg_live_kind kind;
    const char *filter; /* that publishes it */
};

extern const struct tg_live_info tg_live_infos[TG_LIVE_NAMES];

/* One value of a request. */
struct tg_live_value {
    enum tg_live_state state;
    bool read;                  /* somebody judged by it */
    struct tg_str text;         /* TEXT: as it is; NUMBER: as JSON writes it */
    const struct tg_str *items; /* LIST */
    unsigned nitems;
};

/* The config that stands there already. */
struct tg_live_old {
    enum tg_live_state state;
    bool read;
    struct tg_doc *doc; /* KNOWN: its document, */
    uint32_t config;    /* and the config object in it */
};

/* In a request, NULL until something is published or read. */
struct tg_live {
    struct tg_live_value values[TG_LIVE_NAMES];
    struct tg_live_old old;
};

/* The number of a value by the name in its row, or TG_LIVE_NAMES. */
enum tg_live_name tg_live_find(struct tg_str name);

/* --- publishing; the last word counts. Texts, items and documents are borrowed and must live as
 * long as the request --- */

/* A TEXT that is known. */
void tg_live_set_text(struct tg_request *r, enum tg_live_name name, struct tg_str text);

/* A NUMBER that is known, as JSON text or as an integer. */
void tg_live_set_number(struct tg_request *r, enum tg_live_name name, struct tg_str text);
void tg_live_set_integer(struct tg_request *r, enum tg_live_name name, int64_t value);

/* A LIST that is known, also when it is empty. */
void tg_live_set_list(struct tg_request *r, enum tg_live_name name, const struct tg_str *items,
                      unsigned nitems);

/* A value that is known not to be there. */
void tg_live_set_absent(struct tg_request *r, enum tg_live_name name);

/* The config that stands there already: a document and the config object in it (normalized, as the
 * request's own is); doc == NULL: it is known that none does. */
void tg_live_set_old(struct tg_request *r, struct tg_doc *doc, uint32_t config);

/* --- reading: what is read is on record --- */

/* A value as it is known, perhaps not at all; never NULL. Lives as long as the request. */
const struct tg_live_value *tg_live_read(struct tg_request *r, enum tg_live_name name);

/* The same for the config that stands there already. */
const struct tg_live_old *tg_live_read_old(struct tg_request *r);

#endif
