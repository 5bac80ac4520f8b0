/*
 * One record as one line of JSON, from the facts of an exchange. What may not be told is left out
 * or replaced before anything is written into the line; credentials are never looked at but to name
 * the principal. conf/audit.md has the table of fields.
 */
#ifndef TG_AUDIT_RECORD_H
#define TG_AUDIT_RECORD_H

#include "audit/audit.h"
#include "audit/redact.h"

/* What all lines of a stream begin with, kept ready. */
struct tg_audit_head {
    struct tg_str stream; /* borrowed */
    int64_t second;       /* of `time`, since 1970; -1 before the first */
    char time[32];        /* RFC 3339 text of `second` */
};

/* Starts lines of the stream `stream`. */
void tg_audit_head_init(struct tg_audit_head *h, struct tg_str stream);

/* Appends `{"time":...,"stream":...,"seq":...,"event":"..."`; `event` is plain text. */
void tg_audit_head_add(struct tg_audit_head *h, struct tg_buf *out, int64_t time, uint64_t seq,
                       const char *event);

/* What is left out of a record that would be too long, each with all before it. Subjects, results
 * and digests never are. */
enum tg_audit_cut {
    TG_AUDIT_WHOLE,
    TG_AUDIT_NO_BODY,  /* request.body */
    TG_AUDIT_NO_PATCH, /* patch */
    TG_AUDIT_SHORT     /* messages, findings behind the first, the ends of long texts */
};

/*
 * Appends the members of a record behind its head, each with a comma before it. `under_way`
 * leaves out what is not known before the exchange ended. The line is not closed. A member
 * `truncated` says what was cut.
 */
void tg_audit_record_add(struct tg_redact *redact, struct tg_buf *out,
                         const struct tg_audit_record *record, bool under_way,
                         enum tg_audit_cut cut);

/* What a record tells of a document, written before the record. */
struct tg_audit_kept {
    struct tg_str text; /* at `cut` or less */
    enum tg_audit_cut cut;
    struct tg_str least; /* at TG_AUDIT_SHORT */
};

/* Writes that into the request's arena: what is longer than `most` bytes is cut. */
const struct tg_audit_kept *tg_audit_record_keep(struct tg_redact *redact,
                                                 const struct tg_request *r, size_t most);

/* Appends who calls, as the member `principal` says it; nothing without credentials. */
void tg_audit_record_principal(struct tg_redact *redact, struct tg_buf *out,
                               const struct tg_request *r);

/* What the gateway decided about the request. */
enum tg_decision tg_audit_decision(const struct tg_audit_record *record);

/* True when the request was allowed with a body that the filters changed. */
bool tg_audit_changed(const struct tg_audit_record *record);

#endif
