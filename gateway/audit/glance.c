/* Records for people who look on. */
#include "audit/glance.h"

#include "audit/record.h"
#include "audit/redact.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "http/target.h"

#include <stdlib.h>

enum {
    MAGIC = 0x474c414e,
    BEGINNING = 90, /* bytes of a text of which the beginning is told; six times as many as JSON */
};

struct tg_glance {
    uint32_t magic;
    struct tg_audit_conf conf; /* the log's, but for the level */
    struct tg_redact redact;
    struct tg_buf text;
};

struct tg_glance *tg_glance_new(const void *conf)
{
    struct tg_glance *g = calloc(1, sizeof(*g));

    CHECK(g != NULL);
    g->magic = MAGIC;
    g->conf = *(const struct tg_audit_conf *)conf;
    g->conf.body = TG_AUDIT_BODY_METADATA;
    tg_redact_init(&g->redact, &g->conf);
    return g;
}

void tg_glance_end(struct tg_glance *g)
{
    if (g == NULL)
        return;
    CHECK_MAGIC(g, MAGIC);
    tg_redact_end(&g->redact);
    tg_buf_end(&g->text);
    g->magic = 0;
    free(g);
}

static void begin(struct tg_glance *g, const struct tg_audit_record *r)
{
    char time[TG_CLOCK_TEXT];

    tg_clock_text(r->time, time);
    g->text.n = 0;
    tg_json_begin(&g->text, '{');
    tg_json_member(&g->text, "time", tg_str_of(time));
}

/* A text member by its beginning; nothing when it is empty. */
static void add_beginning(struct tg_buf *out, const char *name, struct tg_str value)
{
    if (value.n > BEGINNING)
        value.n = BEGINNING;
    if (value.n > 0)
        tg_json_member(out, name, value);
}

/* What is left when nothing else helps. */
static void add_little(struct tg_buf *out, const struct tg_audit_record *a)
{
    const struct tg_request *r = a->request;

    add_beginning(out, "request_id", r->request_id);
    add_beginning(out, "client.address", r->client_address);
    add_beginning(out, "http.request.method", r->method);
    add_beginning(out, "url.path", tg_target_shown(r->path.n > 0 ? r->path : r->target));
    add_beginning(out, "project_id", r->project_id);
    add_beginning(out, "config_name", tg_request_config_name(r));
    tg_json_member(out, "decision", tg_str_of(tg_decision_word(tg_audit_decision(a))));
    tg_json_member(out, "end", tg_str_of(tg_error_info(a->end)->word));
    if (a->status > 0)
        tg_json_member_number(out, "http.response.status_code", (uint64_t)a->status);
    tg_json_member_number(out, "duration_us", a->duration_us);
    tg_json_member_raw(out, "truncated", TG_STR("[\"everything\"]"));
}

/* What the log wrote before is of its own level, but for the shortest, which tells no values. */
static unsigned least_cut(const struct tg_audit_record *r)
{
    return r->kept != NULL ? TG_AUDIT_SHORT : TG_AUDIT_WHOLE;
}

struct tg_str tg_glance_record(struct tg_glance *g, const struct tg_audit_record *r, size_t most)
{
    CHECK_MAGIC(g, MAGIC);
    CHECK(most >= TG_GLANCE_LEAST);
    g->redact.most = most;
    for (unsigned cut = least_cut(r); cut <= TG_AUDIT_SHORT; cut++) {
        begin(g, r);
        tg_audit_record_add(&g->redact, &g->text, r, false, (enum tg_audit_cut)cut);
        tg_json_end(&g->text, '}');
        if (g->text.n <= most)
            return tg_buf_str(&g->text);
    }
    begin(g, r);
    add_little(&g->text, r);
    tg_json_end(&g->text, '}');
    CHECK(g->text.n <= most);
    return tg_buf_str(&g->text);
}
