/* `trainguard audit history`: what became of one config, who changed it, and what it was then. */
#include "cli/audit.h"

#include "base/check.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "cli/excerpt.h"

#include <stdio.h>

struct history {
    const struct tg_audit_options *options;
    struct tg_arena arena; /* one record's */
    struct tg_buf out;
    bool bad; /* a line was no record */
};

/* The JSON text of a member; empty when it is not there. */
static struct tg_str json_of(const struct tg_doc *doc, uint32_t node, struct tg_str name)
{
    uint32_t value = tg_doc_member(doc, node, name);

    return value != TG_NONE ? tg_doc_text(doc, value) : (struct tg_str){NULL, 0};
}

/* --- text --- */

static void add_safe(struct history *h, const char *before, struct tg_str text)
{
    if (text.n == 0)
        return;
    tg_buf_puts(&h->out, before);
    tg_excerpt_clean(&h->out, text);
}

static void add_who(struct history *h, const struct tg_doc *doc)
{
    struct tg_str user = tg_audit_text(doc, 0, TG_STR("user.name"));

    add_safe(h, " by ", user.n > 0 ? user : tg_audit_text(doc, 0, TG_STR("principal")));
    if (user.n > 0)
        add_safe(h, " of ", tg_audit_text(doc, 0, TG_STR("user.domain")));
    add_safe(h, " from ", tg_audit_text(doc, 0, TG_STR("client.address")));
}

static void add_operations(struct history *h, const struct tg_doc *doc)
{
    for (uint32_t e = tg_audit_list(doc, TG_STR("diff")); e != TG_NONE; e = tg_doc_next(doc, e)) {
        struct tg_str op = tg_audit_text(doc, e, TG_STR("op"));

        tg_buf_puts(&h->out, tg_str_eq(op, TG_STR("add"))      ? "    + "
                             : tg_str_eq(op, TG_STR("remove")) ? "    - "
                                                               : "    ~ ");
        tg_excerpt_clean(&h->out, tg_audit_text(doc, e, TG_STR("path")));
        add_safe(h, ": ", json_of(doc, e, TG_STR("value")));
        tg_buf_putc(&h->out, '\n');
    }
}

static void audit_history_add_text(struct history *h, const struct tg_doc *doc)
{
    tg_excerpt_clean(&h->out, tg_audit_text(doc, 0, TG_STR("time")));
    add_safe(h, " ", tg_audit_text(doc, 0, TG_STR("http.request.method")));
    add_safe(h, " ", tg_audit_text(doc, 0, TG_STR("project_id")));
    add_safe(h, "/", tg_audit_text(doc, 0, TG_STR("config_name")));
    add_who(h, doc);
    add_safe(h, " id=", tg_audit_text(doc, 0, TG_STR("request_id")));
    tg_buf_putc(&h->out, '\n');
    add_safe(h, "    before: ", tg_audit_text(doc, 0, TG_STR("before.sha256")));
    if (tg_audit_text(doc, 0, TG_STR("before.absent")).n > 0)
        tg_buf_puts(&h->out, "    before: nothing");
    if (h->out.n > 0 && h->out.p[h->out.n - 1] != '\n')
        tg_buf_putc(&h->out, '\n');
    add_operations(h, doc);
    add_safe(h, "    config: ", json_of(doc, 0, TG_STR("request.body")));
    if (h->out.p[h->out.n - 1] != '\n')
        tg_buf_putc(&h->out, '\n');
}

/* --- JSON: the members that tell it, as they stand in the record --- */

static void add_json(struct history *h, const struct tg_doc *doc)
{
    static const char *const members[] = {"time",          "http.request.method",
                                          "project_id",    "config_name",
                                          "request_id",    "principal",
                                          "user.id",       "user.name",
                                          "user.domain",   "client.address",
                                          "before.sha256", "before.absent",
                                          "diff_partial",  "diff",
                                          "request.body"};

    tg_json_begin(&h->out, '{');
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        struct tg_str value = json_of(doc, 0, tg_str_of(members[i]));

        if (value.n > 0)
            tg_json_member_raw(&h->out, members[i], value);
    }
    tg_json_end(&h->out, '}');
    tg_buf_putc(&h->out, '\n');
}

/* --- records --- */

static bool audit_history_on_line(void *context, struct tg_str line,
                                  const struct tg_audit_place *place)
{
    struct history *h = context;
    struct tg_doc doc;

    line = tg_str_trim(line);
    if (!tg_audit_take_line(&doc, &h->arena, line, place, &h->bad) || !tg_audit_is_change(&doc) ||
        !tg_audit_passes(&h->options->filter, &doc))
        return true;
    h->out.n = 0;
    if (h->options->output == TG_AUDIT_JSON)
        add_json(h, &doc);
    else
        audit_history_add_text(h, &doc);
    return fwrite(h->out.p, 1, h->out.n, stdout) == h->out.n;
}

int tg_audit_history(const struct tg_audit_options *options, char **files, int nfiles)
{
    struct history h = {.options = options};
    const struct tg_audit_reading reading = {audit_history_on_line, NULL, &h};
    bool ok;

    if (options->filter.config.n == 0 || options->output == TG_AUDIT_CSV) {
        tg_complain("trainguard audit history: takes --config NAME, and text or json");
        return TG_AUDIT_UNREADABLE;
    }
    tg_arena_init(&h.arena);
    ok = tg_audit_read(files, nfiles, false, &reading);
    tg_arena_end(&h.arena);
    tg_buf_end(&h.out);
    return !ok ? TG_AUDIT_UNREADABLE : h.bad ? TG_AUDIT_PROBLEM : TG_AUDIT_FINE;
}
