/* Runs one body through the filters of its location, without any socket. */
#include "cli/evaluator.h"

#include "base/chars.h"
#include "base/check.h"
#include "chain/chain.h"
#include "http/target.h"

#include <stdlib.h>

#define JUDGED(location, more)                                                                     \
    "    location " location                                                                       \
    " { filters json normalize validate; client_max_body_size 12m; proxy_pass none; " more "}\n"

/* What the API's own rules come to when nobody configured anything. Nothing listens or connects. */
#define BUILT_IN                                                                                   \
    "upstream none { server 127.0.0.1:9; tls off; }\n"                                             \
    "server {\n"                                                                                   \
    "    listen 127.0.0.1:0;\n" JUDGED("PUT /v1/{project_id}/training-job-configs/{config_name}",  \
                                       "")                                                         \
        JUDGED("POST /v1/{project_id}/training-job-configs", "")                                   \
            JUDGED("POST /v1/{project_id}/training-jobs", "config_at /config; ")                   \
                JUDGED("POST /v1/{project_id}/training-jobs/{job_id}/versions",                    \
                       "config_at /config; ") "}\n"

#define DEFAULT_LOCATION "PUT /v1/{project_id}/training-job-configs/{config_name}"
#define DEFAULT_PROJECT  "project"
#define DEFAULT_NAME     "config"

/* Enough for whatever the location's own limits will let through. */
static const struct tg_json_limits name_limits = {TG_JSON_MAX_DEPTH, UINT32_MAX};

/* A configured location and what it became under the options. */
struct judged {
    const struct tg_location *base;
    const struct tg_location *location; /* NULL: the options do not fit it */
    struct judged *next;
};

struct tg_evaluator {
    struct tg_eval_options options;
    struct tg_given given; /* the files among them; texts in the arena of the settings */
    bool only_changes;
    struct tg_settings *settings;
    struct judged *judged;
    struct tg_buf problems; /* of locations that only a later body met */
    struct tg_arena arena;  /* of the body at hand */
    struct tg_buf answer;
    struct tg_evaluation result;
};

/* --- locations --- */

/* A word as a configuration writes it, whatever is in it. */
static void add_quoted(struct tg_buf *b, const char *word)
{
    tg_buf_putc(b, '"');
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            tg_buf_putc(b, '\\');
        tg_buf_putc(b, *word);
    }
    tg_buf_puts(b, "\" ");
}

/* A filter that an option asks for. */
struct wanted {
    const char *name;
    const char *option; /* NULL: not asked for */
};

static bool stands_in(const struct tg_location *l, const char *name)
{
    for (unsigned i = 0; i < l->filters.n; i++)
        if (strcmp(l->filters.at[i]->name, name) == 0)
            return true;
    return false;
}

/* Writes those that are asked for, are not there, and stand before a place. */
static void add_wanted(struct tg_buf *b, const struct tg_location *l, struct wanted *wanted,
                       unsigned before)
{
    for (; wanted->name != NULL; wanted++) {
        if (wanted->option == NULL || stands_in(l, wanted->name) ||
            tg_settings_filter_place(tg_str_of(wanted->name)) >= before)
            continue;
        add_quoted(b, wanted->name);
        wanted->option = NULL;
    }
}

/* The location's filters, with those among them that the options ask for, each in its place. */
static void add_filters(struct tg_buf *b, const struct tg_location *l, struct wanted *wanted)
{
    tg_buf_puts(b, "filters ");
    for (unsigned i = 0; i < l->filters.n; i++) {
        struct tg_str name = tg_str_of(l->filters.at[i]->name);
        unsigned place = tg_settings_filter_place(name);

        if (place != UINT_MAX)
            add_wanted(b, l, wanted, place);
        add_quoted(b, name.p);
    }
    add_wanted(b, l, wanted, UINT_MAX);
    tg_buf_puts(b, "; ");
}

static void add_directive(struct tg_buf *b, const char *name, const char *value)
{
    if (value == NULL)
        return;
    tg_buf_printf(b, "%s ", name);
    add_quoted(b, value);
    tg_buf_puts(b, "; ");
}

/* The options as directives of a location. */
static void write_overrides(const struct tg_evaluator *e, const struct tg_location *l,
                            struct tg_buf *b)
{
    const struct tg_eval_options *o = &e->options;
    struct wanted wanted[] = {{"identify", o->user},
                              {"catalogue", o->catalogue},
                              {"current", o->old},
                              {"policy", o->policy},
                              {NULL, NULL}};

    if (o->user != NULL || o->catalogue != NULL || o->old != NULL || o->policy != NULL)
        add_filters(b, l, wanted);
    if (o->user != NULL && !stands_in(l, "identify"))
        add_directive(b, "identify", l->upstream->name.p); /* which nobody asks */
    add_directive(b, "policies", o->policy);
    add_directive(b, "validate", o->level);
}

/* A copy that ends before the first filter that judges; those that change stand before it (the
 * order was checked when the file was loaded). It is not linked: `base` owns what was loaded. */
static const struct tg_location *without_judges(struct tg_evaluator *e,
                                                const struct tg_location *base)
{
    struct tg_location *l = tg_arena_alloc(&e->settings->arena, sizeof(*l));

    CHECK(base->filters.n <= TG_MAX_FILTERS);
    *l = *base;
    l->filters.n = 0;
    while (l->filters.n < base->filters.n &&
           (base->filters.at[l->filters.n]->traits & TG_JUDGES_BODY) == 0)
        l->filters.n++;
    return l;
}

static const struct tg_location *
apply_options(struct tg_evaluator *e, const struct tg_location *base, struct tg_buf *problems)
{
    struct tg_buf text = {0};
    const struct tg_location *l = base;

    CHECK(base->filters.n > 0);
    write_overrides(e, base, &text);
    if (text.n > 0)
        l = tg_settings_derive(e->settings, base, tg_buf_str(&text), problems);
    tg_buf_end(&text);
    return l != NULL && e->only_changes ? without_judges(e, l) : l;
}

/* What judges the bodies of a configured location; the same one each time. */
static const struct tg_location *judge_of(struct tg_evaluator *e, const struct tg_location *base,
                                          struct tg_buf *problems)
{
    struct judged *j = e->judged;

    CHECK(base != NULL);
    while (j != NULL && j->base != base)
        j = j->next;
    if (j == NULL) {
        j = tg_arena_alloc(&e->settings->arena, sizeof(*j));
        *j = (struct judged){base, apply_options(e, base, problems), e->judged};
        e->judged = j;
    }
    return j->location;
}

/* --- the request --- */

/* Routes in each server that listens (derived locations stand in one that does not) until one has
 * a guarded location; else the first that has any. NULL: *why tells more. */
static const struct tg_location *route(const struct tg_evaluator *e, struct tg_request *r,
                                       struct tg_no_route *why)
{
    const struct tg_server_conf *server = NULL;

    for (const struct tg_server_conf *s = e->settings->servers; s != NULL; s = s->next) {
        const struct tg_location *l = s->listens != NULL ? tg_settings_route(s, r, why) : NULL;

        if (l != NULL && l->filters.n > 0)
            return l;
        if (l != NULL && server == NULL)
            server = s;
    }
    return server != NULL ? tg_settings_route(server, r, why) : NULL;
}

bool tg_eval_is_name(struct tg_str text)
{
    return text.n >= 1 && text.n <= 64 && tg_chars_are(text, TG_CHAR_NAME);
}

/* The body's own config_name; empty when it has none. A body without the word is not read twice. */
static struct tg_str name_in_body(struct tg_evaluator *e, struct tg_str body)
{
    struct tg_str member = TG_STR("config_name");
    struct tg_json_fault fault;
    struct tg_doc doc;
    uint32_t node;

    if (body.n == 0 || memmem(body.p, body.n, member.p, member.n) == NULL ||
        !tg_doc_parse(&doc, &e->arena, body, &name_limits, &fault) ||
        tg_doc_type(&doc, 0) != TG_OBJECT)
        return TG_STR("");
    node = tg_doc_member(&doc, 0, member);
    if (node == TG_NONE || tg_doc_type(&doc, node) != TG_STRING)
        return TG_STR("");
    return tg_doc_string(&doc, node);
}

static struct tg_str stem(const char *file)
{
    const char *slash = strrchr(file, '/');
    struct tg_str name = tg_str_of(slash != NULL ? slash + 1 : file);

    if (tg_str_ends(name, TG_STR(".json")))
        name.n -= 5;
    return name;
}

static struct tg_str evaluator_name_of(struct tg_evaluator *e, const char *file, struct tg_str body)
{
    struct tg_str name;

    if (e->options.name != NULL)
        return tg_str_of(e->options.name);
    name = name_in_body(e, body);
    if (tg_eval_is_name(name))
        return name;
    name = stem(file);
    return strcmp(file, "-") != 0 && tg_eval_is_name(name) ? name : TG_STR(DEFAULT_NAME);
}

/* The path of a location with values for its parameters. */
static struct tg_str fill_path(struct tg_evaluator *e, struct tg_str pattern, struct tg_str project,
                               struct tg_str name)
{
    struct tg_buf path = {0};
    struct tg_str copy;

    while (pattern.n > 0) {
        struct tg_str parameter = {pattern.p, tg_conf_parameter(pattern)};

        if (tg_str_eq(parameter, TG_STR("{project_id}")))
            tg_buf_add(&path, project);
        else if (parameter.n > 0)
            tg_buf_add(&path, name);
        else
            tg_buf_putc(&path, *pattern.p);
        pattern = tg_str_skip(pattern, parameter.n > 0 ? parameter.n : 1);
    }
    copy = tg_arena_dup(&e->arena, tg_buf_str(&path));
    tg_buf_end(&path);
    return copy;
}

static void start_request(struct tg_evaluator *e, struct tg_str name, struct tg_str body)
{
    static const struct tg_field fields[] = {
        {{"Content-Type", sizeof("Content-Type") - 1},
         {"application/json", sizeof("application/json") - 1}},
        {TG_STR("Authorization"),
         TG_STR("SDK-HMAC-SHA256 Access=AK, SignedHeaders=content-type;host;x-sdk-date, "
                "Signature=0000000000000000000000000000000000000000000000000000000000000000")},
    };
    struct tg_request *r = &e->result.request;
    const char *project = e->options.project != NULL ? e->options.project : DEFAULT_PROJECT;
    struct tg_str location =
        tg_str_of(e->options.location != NULL ? e->options.location : DEFAULT_LOCATION);

    CHECK(tg_eval_is_name(name));
    CHECK(tg_eval_is_name(tg_str_of(project)));
    tg_request_init(r, &e->arena);
    r->method = (struct tg_str){location.p, tg_chars_span(location, TG_CHAR_TOKEN)};
    r->target = fill_path(e, tg_str_skip(location, r->method.n + 1), tg_str_of(project), name);
    r->path = r->target;
    r->fields = fields;
    r->nfields = e->options.is_signed ? 2 : 1;
    r->body = body;
    r->given = &e->given;
    (void)tg_request_identify(r);
}

/* --- the evaluator --- */

static struct tg_settings *evaluator_load(const struct tg_eval_options *o, struct tg_buf *problems)
{
    struct tg_settings *s;
    char *folder;

    if (o->conf == NULL)
        return tg_settings_offline("the built-in configuration", TG_STR(BUILT_IN), "./", problems);
    folder = tg_settings_folder(o->conf);
    s = tg_settings_offline(o->conf, (struct tg_str){NULL, 0}, folder, problems);
    free(folder);
    return s;
}

/* False, and a problem, when a file cannot be read. */
static bool read_given(struct tg_evaluator *e, const char *name, struct tg_str *out,
                       struct tg_buf *problems)
{
    struct tg_file file;
    const char *why = NULL;

    if (name != NULL)
        why = tg_file_read(&e->settings->arena, name, &file);
    if (why != NULL)
        tg_buf_printf(problems, "[emerg] cannot read \"%s\": %s\n", name, why);
    else if (name != NULL)
        *out = file.text;
    return why == NULL;
}

static bool read_all_given(struct tg_evaluator *e, struct tg_buf *problems)
{
    const struct tg_eval_options *o = &e->options;

    return read_given(e, o->catalogue, &e->given.catalogue, problems) &&
           read_given(e, o->old, &e->given.old, problems) &&
           read_given(e, o->user, &e->given.user, problems);
}

struct tg_evaluator *tg_evaluator_new(const struct tg_eval_options *options, bool only_changes,
                                      struct tg_buf *problems)
{
    struct tg_settings *settings = evaluator_load(options, problems);
    struct tg_evaluator *e;
    const struct tg_location *base;
    struct tg_no_route why;
    bool fits;

    if (settings == NULL)
        return NULL;
    e = calloc(1, sizeof(*e));
    CHECK(e != NULL);
    e->options = *options;
    e->only_changes = only_changes;
    e->settings = settings;
    tg_arena_init(&e->arena);
    start_request(e, evaluator_name_of(e, "-", TG_STR("")), TG_STR(""));
    base = route(e, &e->result.request, &why);
    fits = read_all_given(e, problems) &&
           (base == NULL || base->filters.n == 0 || judge_of(e, base, problems) != NULL);
    if (fits)
        return e;
    tg_evaluator_end(e);
    return NULL;
}

void tg_evaluator_end(struct tg_evaluator *e)
{
    if (e == NULL)
        return;
    tg_settings_end(e->settings);
    tg_arena_end(&e->arena);
    tg_buf_end(&e->answer);
    tg_buf_end(&e->problems);
    free(e);
}

/* --- verdicts --- */

static const struct tg_evaluation *cannot(struct tg_evaluator *e, struct tg_str why)
{
    e->result.result = TG_EVAL_ERROR;
    e->result.why = why;
    e->result.answer = TG_STR("");
    return &e->result;
}

static bool is_not_json(const struct tg_request *r)
{
    if (r->doc != NULL)
        return false;
    for (const struct tg_finding *f = r->report.first; f != NULL; f = f->next)
        if (f->error == TG_E_NOT_JSON && f->severity == TG_VIOLATION)
            return true;
    return r->report.violations == 0 && r->error == TG_E_NOT_JSON;
}

/* What tg_reply() or tg_fail() left, in one line. */
static struct tg_str reason(const struct tg_request *r)
{
    const char *message = tg_error_info(r->error)->message;

    if (r->error_detail.n == 0)
        return tg_str_of(message);
    return tg_arena_printf(r->arena, "%s: %.*s", message, TG_STR_ARG(r->error_detail));
}

static const struct tg_evaluation *denied(struct tg_evaluator *e)
{
    struct tg_evaluation *v = &e->result;
    struct tg_request *r = &v->request;
    bool refused = r->report.violations > 0;

    e->answer.n = 0;
    tg_request_answer(r, &e->answer, &v->status);
    CHECK(v->status >= 400 && e->answer.n > 0);
    v->answer = tg_buf_str(&e->answer);
    v->result = TG_EVAL_DENY;
    if (is_not_json(r) || v->status >= 500)
        return cannot(e, refused ? TG_STR("") : reason(r));
    if (!refused)
        v->why = reason(r);
    return v;
}

/* Where a finding is shown that has no place of its own: at the innermost value on its way that is
 * there. */
static uint32_t nearest_offset(const struct tg_doc *d, const struct tg_finding *f)
{
    struct tg_str pointer = f->pointer;
    uint32_t offset = f->offset;

    while (d != NULL && offset == TG_NONE && pointer.n > 0) {
        const char *slash = memrchr(pointer.p, '/', pointer.n);
        uint32_t node;

        CHECK(slash != NULL);
        pointer.n = (size_t)(slash - pointer.p);
        node = tg_doc_find(d, pointer);
        offset = node != TG_NONE ? d->node[node].offset : TG_NONE;
    }
    return offset;
}

/* The places of all findings and changes, each kind in one pass over the body. */
static void find_places(struct tg_evaluator *e)
{
    struct tg_evaluation *v = &e->result;
    unsigned most = 2 * TG_MAX_FINDINGS; /* violations and warnings */
    unsigned n = 0;
    uint32_t *offsets;
    struct tg_place *places;

    if (v->request.report.first == NULL && v->changes == NULL)
        return;
    most += v->request.doc != NULL ? v->request.doc->nchanges : 0;
    offsets = tg_arena_alloc(&e->arena, most * sizeof(*offsets));
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next)
        offsets[n++] = f->offset;
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next)
        offsets[n++] = c->offset;
    CHECK(n <= most);
    places = tg_arena_alloc(&e->arena, 2 * n * sizeof(*places));
    tg_doc_places(v->body, offsets, n, places);
    v->places = places;
    v->regions = places + n;
    n = 0;
    for (const struct tg_finding *f = v->request.report.first; f != NULL; f = f->next)
        offsets[n++] = nearest_offset(v->request.doc, f);
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next)
        n++;
    tg_doc_places(v->body, offsets, n, places + n);
}

static const struct tg_evaluation *evaluator_judge(struct tg_evaluator *e, struct tg_chain *chain)
{
    struct tg_evaluation *v = &e->result;
    struct tg_request *r = &v->request;

    CHECK(chain->request == r);
    switch (tg_chain_run(chain)) {
    case TG_NEXT:
        CHECK(r->report.violations == 0);
        v->result = r->report.warnings > 0 ? TG_EVAL_WARN : TG_EVAL_PASS;
        v->forwarded = tg_request_forwarded_body(r);
        CHECK(v->forwarded.p != NULL || v->body.n == 0);
        return v;
    case TG_REPLY:
        return denied(e);
    case TG_WAIT:
        return cannot(e, tg_arena_printf(&e->arena,
                                         "a filter would wait (%s), which needs a running "
                                         "gateway",
                                         r->waiting));
    case TG_FAIL:
        return cannot(e, reason(r));
    }
    TG_UNREACHABLE();
}

static bool too_large(const struct tg_location *l, struct tg_str body)
{
    uint64_t most = tg_location_body_most(l);

    return most > 0 && body.n > most;
}

/* What a signed request meets before its body is looked at. */
static enum tg_error refusal_of_signed(const struct tg_location *l, const struct tg_request *r)
{
    if (r->credentials != TG_CRED_SIGNED || l->aksk == TG_AKSK_RESIGN)
        return TG_E_DONE;
    if (l->aksk == TG_AKSK_REFUSE)
        return TG_E_SIGNED_REFUSED;
    return l->callers != NULL ? TG_E_BAD_REQUEST : TG_E_DONE;
}

static const struct tg_evaluation *evaluator_run(struct tg_evaluator *e,
                                                 const struct tg_location *l)
{
    struct tg_chain chain = {0};
    const struct tg_evaluation *v;

    e->result.request.aksk = (enum tg_aksk)l->aksk;
    e->result.request.error = refusal_of_signed(l, &e->result.request);
    if (e->result.request.error != TG_E_DONE)
        return denied(e);
    if (too_large(l, e->result.body)) {
        e->result.request.error = TG_E_BODY_TOO_LARGE;
        return denied(e);
    }
    tg_chain_begin(&chain, &l->filters, &e->result.request);
    v = evaluator_judge(e, &chain);
    tg_chain_done(&chain);
    e->result.changes = e->result.request.doc != NULL ? e->result.request.doc->changes : NULL;
    find_places(e);
    CHECK(v->result >= TG_EVAL_PASS && v->result <= TG_EVAL_ERROR);
    return v;
}

static struct tg_str evaluator_first_line(struct tg_str text)
{
    const char *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;

    CHECK(end != NULL);
    return (struct tg_str){text.p, (size_t)(end - text.p)};
}

static void evaluator_begin(struct tg_evaluator *e, const char *file, struct tg_str body)
{
    CHECK(e->settings != NULL && file != NULL);
    tg_arena_reset(&e->arena);
    e->result = (struct tg_evaluation){.file = file, .body = body};
}

const struct tg_evaluation *tg_eval_body(struct tg_evaluator *e, const char *file,
                                         struct tg_str body)
{
    struct tg_request *r = &e->result.request;
    const struct tg_location *base;
    const struct tg_location *l;
    struct tg_no_route why;

    CHECK(body.n <= TG_EVAL_MAX_BODY && file != NULL);
    evaluator_begin(e, file, body);
    start_request(e, evaluator_name_of(e, file, body), body);
    r->trace = e->options.trace;
    base = route(e, r, &why);
    tg_location_trace(base, r, &why);
    if (base == NULL || base->filters.n == 0)
        return cannot(e, tg_arena_printf(&e->arena, "%s has no location with filters for %.*s %.*s",
                                         e->settings->file, TG_STR_ARG(r->method),
                                         TG_STR_ARG(r->path)));
    l = judge_of(e, base, &e->problems);
    return l != NULL ? evaluator_run(e, l)
                     : cannot(e, evaluator_first_line(tg_buf_str(&e->problems)));
}

const struct tg_evaluation *tg_eval_unread(struct tg_evaluator *e, const char *file,
                                           const char *why)
{
    CHECK(why != NULL);
    evaluator_begin(e, file, TG_STR(""));
    tg_request_init(&e->result.request, &e->arena);
    return cannot(e, tg_arena_dup(&e->arena, tg_str_of(why)));
}

const char *tg_eval_word(enum tg_eval_result result)
{
    static const char *const words[] = {
        [TG_EVAL_PASS] = "pass",
        [TG_EVAL_WARN] = "warn",
        [TG_EVAL_DENY] = "denied",
        [TG_EVAL_ERROR] = "error",
    };

    CHECK(result >= TG_EVAL_PASS && result <= TG_EVAL_ERROR);
    return words[result];
}
