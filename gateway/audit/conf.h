/*
 * The settings of the audit log (directives audit_log, audit_body, audit_redact, audit_key_file) as
 * conf.c leaves them. Only the files of this folder and their tests look inside.
 */
#ifndef TG_AUDIT_CONF_H
#define TG_AUDIT_CONF_H

#include "base/crypto.h"
#include "config/conf.h"

enum tg_audit_mode { TG_AUDIT_BATCH = 1, TG_AUDIT_BLOCKING, TG_AUDIT_STRICT };

enum tg_audit_target {
    TG_AUDIT_OFF = 1,
    TG_AUDIT_FILE, /* a path: regular file, /dev/stdout, /dev/stderr, a FIFO */
    TG_AUDIT_SYSLOG_UNIX,
    TG_AUDIT_SYSLOG_UDP,
    TG_AUDIT_SYSLOG_TCP,
};

/* What a record tells of the body. */
enum tg_audit_body { TG_AUDIT_BODY_NONE = 1, TG_AUDIT_BODY_METADATA, TG_AUDIT_BODY_FULL };

/* Zeroed settings are the defaults once tg_audit_check() has run. */
struct tg_audit_conf {
    int target;            /* enum tg_audit_target */
    struct tg_str text;    /* audit_log's first argument as written */
    struct tg_str path;    /* file or unix socket, NUL-terminated */
    struct tg_str host;    /* syslog over UDP and TCP: an address without brackets, or a name */
    uint16_t port;         /* the same */
    int mode;              /* enum tg_audit_mode */
    int64_t rotate;        /* bytes after which a file is rotated; 0: never */
    int64_t keep;          /* rotated files that stay */
    int body;              /* enum tg_audit_body */
    struct tg_str *redact; /* patterns, secret_names.h */
    unsigned nredact;
    struct tg_str key_file;        /* empty: none */
    struct tg_str key;             /* its bytes; empty: plain SHA-256 chain */
    unsigned char salt[TG_SHA256]; /* keys principals and redacted values */
    struct tg_str instance;        /* the gateway's name in `start`; the host's unless set */
    struct tg_str revision;        /* of the configuration in force, for `start`; may be empty */
    const struct tg_str *loaded;   /* the same of its policies */
    unsigned nloaded;
    struct tg_str bundle;              /* revisions of signed policies; empty: none is signed */
    struct tg_str signed_by;           /* ids of the keys */
    bool checked;                      /* tg_audit_check() has run */
    const struct tg_conf_item *log_at; /* where audit_log stands; NULL: nowhere */
    const struct tg_conf_item *key_at; /* the same of audit_key_file */
};

/* The file the log is written to, or NULL when it goes elsewhere. */
const char *tg_audit_file(const void *conf);

/* What there is to tell of the settings. */
struct tg_audit_facts {
    struct tg_str target; /* audit_log's first argument as written */
    const char *mode;     /* the words of the configuration */
    const char *body;
    struct tg_str instance;
};

/* Fills *out from checked settings; the texts live as long as they. */
void tg_audit_facts(const void *conf, struct tg_audit_facts *out);

/* Settings, made by tg_audit_directives in the main block. */
extern const struct tg_directive tg_audit_directives[];

/* Bytes of the settings, which whoever loads a configuration makes room for. */
size_t tg_audit_conf_size(void);

/* Finishes the settings after their directives were applied (defaults, key file; before workers are
 * made, since they share what is drawn here) and checks what tg_audit_open() would find (directory,
 * permission). Records problems and returns false. Makes no file. */
bool tg_audit_check(struct tg_conf *c, void *conf);

#endif
