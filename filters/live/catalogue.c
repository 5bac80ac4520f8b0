/* `catalogue`: whether what a config chooses is there to be chosen, and what it is. */
#include "base/chars.h"
#include "base/file.h"
#include "chain/live.h"
#include "contract/contract.h"
#include "live/catalogue_data.h"
#include "live/credentials.h"
#include "live/live.h"
#include "live/rows.h"

#include <inttypes.h>

enum { MAX_PROJECT = 64 };

static bool set_catalogue(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                          const struct tg_directive *d)
{
    struct tg_catalogue_conf *conf = target;

    (void)d;
    if (tg_str_eq(item->args[1], TG_STR("live")) && item->nargs == 2) {
        conf->file = TG_STR("");
        return true;
    }
    if (!tg_str_eq(item->args[1], TG_STR("file")) || item->nargs != 3) {
        tg_conf_error(c, item, "\"catalogue\" takes live, or file with its name");
        return false;
    }
    conf->file = tg_conf_path(c, item->args[2]);
    conf->item = item;
    return true;
}

static const struct tg_directive directives[] = {
    {.name = "catalogue",
     .contexts = TG_IN_MAIN | TG_IN_SERVER | TG_IN_LOCATION,
     .kind = TG_CONF_CUSTOM,
     .set = set_catalogue,
     .min_args = 1,
     .max_args = 2,
     .fallback = "live",
     .syntax = "live | file FILE",
     .help = "Where the lists of specifications, engines and built-in algorithms come from: live "
             "asks the location's upstream, for each project, with the caller's own credential or "
             "the gateway's where it signs; a file holds what `trainguard catalogue fetch` wrote."},
    {.name = "catalogue_ttl", TG_LIVE_TTL(catalogue), .help = "How long a catalogue is good."},
    {.name = "catalogue_stale",
     .kind = TG_CONF_TIME,
     TG_LIVE_ROW(catalogue, stale),
     .min = 0,
     .max = 7 * 86400 * TG_LIVE_SECOND,
     .fallback = "1h",
     .help = "How long it is used beyond that, while it is asked for again."},
    {.name = "catalogue_timeout",
     TG_LIVE_TIMEOUT(catalogue),
     .fallback = "5s",
     .help = "How long the service may take for all lists together."},
    {.name = "catalogue_on_error",
     .kind = TG_CONF_ENUM,
     TG_LIVE_ROW(catalogue, on_error),
     .words = tg_live_allow_deny,
     .fallback = "allow",
     .syntax = "allow | deny",
     .help = "What becomes of configs that cannot be compared with the catalogue: allow lets them "
             "pass with a warning, deny answers 503. Rules that read the catalogue give `error` in "
             "either case."},
    {.name = NULL},
};

/* --- findings --- */

static void report(struct tg_request *r, const char *rule, uint32_t node, struct tg_str before,
                   struct tg_str after, struct tg_str before_zh, struct tg_str after_zh)
{
    const struct tg_contract_rule *row = tg_contract_rule(rule);
    struct tg_finding f = {.severity = tg_contract_severity(row, TG_DOCUMENTED),
                           .rule = row->id,
                           .error = row->error,
                           .pointer = tg_doc_pointer(r->doc, node),
                           .offset = tg_doc_offset(r->doc, node),
                           .message = {before, after},
                           .message_zh = {before_zh, after_zh}};

    f.value = (struct tg_message_value){tg_doc_text(r->doc, node), node, false};
    tg_report_add(&r->report, &f);
}

static void report_unknown(struct tg_request *r, const struct tg_choices *list, uint32_t node,
                           int64_t id, const char *what, const char *what_zh)
{
    struct tg_buf nearest = {0};
    struct tg_str names;

    tg_catalogue_nearest(list, id, &nearest);
    names = tg_arena_dup(r->arena, nearest.n > 0 ? tg_buf_str(&nearest) : TG_STR("none"));
    tg_buf_end(&nearest);
    report(
        r, "catalogue", node, TG_STR(""),
        tg_arena_printf(r->arena, " is no %s of this project; the nearest: %.*s", what,
                        TG_STR_ARG(names)),
        TG_STR(""),
        tg_arena_printf(r->arena, " 不是此项目的%s; 最接近的: %.*s", what_zh, TG_STR_ARG(names)));
}

/* --- the config --- */

/* What one config chooses, and what of it is known. */
struct choosing {
    struct tg_request *r;
    const struct tg_catalogue *catalogue;
    const uint32_t *member;
    const struct tg_choice *spec;
    const struct tg_choice *engine;
};

static bool integer_of(const struct choosing *c, enum tg_config_member member, int64_t *out)
{
    uint32_t node = c->member[member];

    return node != TG_NONE && tg_doc_type(c->r->doc, node) == TG_NUMBER &&
           tg_doc_integer(c->r->doc, node, out);
}

static bool is_there(const struct choosing *c, enum tg_config_member member)
{
    return !tg_contract_is_absent(c->r->doc, c->member[member], true);
}

/* With them the specification is another one than those of the list. */
static bool has_another_source(const struct choosing *c)
{
    return is_there(c, TG_FLAVOR) || is_there(c, TG_POOL_ID);
}

static void judge_spec(struct choosing *c)
{
    const struct tg_choices *specs = &c->catalogue->list[TG_CHOICE_SPECS];
    uint32_t node = c->member[TG_SPEC_ID];
    int64_t id;

    if (has_another_source(c) || !integer_of(c, TG_SPEC_ID, &id))
        return;
    c->spec = tg_catalogue_find(specs, id);
    if (c->spec == NULL)
        report_unknown(c->r, specs, node, id, "specification", "资源规格");
    else if (c->spec->no_resource)
        report(c->r, "catalogue_stock", node, TG_STR("specification "),
               tg_arena_printf(c->r->arena, " (%.*s) is sold out at present",
                               TG_STR_ARG(c->spec->name)),
               TG_STR("资源规格 "),
               tg_arena_printf(c->r->arena, " (%.*s) 目前已售罄", TG_STR_ARG(c->spec->name)));
}

static void judge_workers(struct choosing *c)
{
    const struct tg_choice *s = c->spec;
    int64_t workers;

    if (s == NULL || s->max_num < 0 || !integer_of(c, TG_WORKER_SERVER_NUM, &workers) ||
        workers <= s->max_num)
        return;
    report(c->r, "catalogue", c->member[TG_WORKER_SERVER_NUM], TG_STR(""),
           tg_arena_printf(c->r->arena,
                           " is too many: specification %" PRId64 " (%.*s) has at most %" PRId64
                           " nodes",
                           s->id, TG_STR_ARG(s->name), s->max_num),
           TG_STR(""),
           tg_arena_printf(c->r->arena,
                           " 过多: 资源规格 %" PRId64 " (%.*s) 最多 %" PRId64 " 个节点", s->id,
                           TG_STR_ARG(s->name), s->max_num));
}

static bool begins_with(struct tg_str text, struct tg_str word)
{
    return text.n >= word.n && tg_str_ieq((struct tg_str){text.p, word.n}, word);
}

static bool names_gpu(struct tg_str text)
{
    for (; text.n > 0; text = tg_str_skip(text, 1))
        if (begins_with(text, TG_STR("gpu")) || begins_with(text, TG_STR("cuda")))
            return true;
    return false;
}

static void judge_engine(struct choosing *c)
{
    const struct tg_choices *engines = &c->catalogue->list[TG_CHOICE_ENGINES];
    uint32_t node = c->member[TG_ENGINE_ID];
    int64_t id;

    /* an image brings its own; 0 is what programs send for none */
    if (is_there(c, TG_USER_IMAGE_URL) || !integer_of(c, TG_ENGINE_ID, &id) || id == 0)
        return;
    c->engine = tg_catalogue_find(engines, id);
    if (c->engine == NULL) {
        report_unknown(c->r, engines, node, id, "engine", "引擎");
        return;
    }
    if (c->spec == NULL || c->spec->gpu_num != 0 ||
        (!names_gpu(c->engine->engine_name) && !names_gpu(c->engine->name)))
        return;
    report(c->r, "catalogue_engine", node, TG_STR("engine "),
           tg_arena_printf(c->r->arena,
                           " (%.*s) is for GPUs, and specification %" PRId64 " (%.*s) has none",
                           TG_STR_ARG(c->engine->name), c->spec->id, TG_STR_ARG(c->spec->name)),
           TG_STR("引擎 "),
           tg_arena_printf(c->r->arena, " (%.*s) 需要 GPU, 而资源规格 %" PRId64 " (%.*s) 没有",
                           TG_STR_ARG(c->engine->name), c->spec->id, TG_STR_ARG(c->spec->name)));
}

/* --- values for policies --- */

/* The catalogue may go before the request does. */
static void publish_text(struct tg_request *r, enum tg_live_name name, struct tg_str text)
{
    if (text.n > 0)
        tg_live_set_text(r, name, tg_arena_dup(r->arena, text));
    else
        tg_live_set_absent(r, name);
}

static void publish_number(struct tg_request *r, enum tg_live_name name, int64_t value)
{
    if (value >= 0)
        tg_live_set_integer(r, name, value);
}

static void publish_spec(const struct choosing *c)
{
    const struct tg_choice *s = c->spec;
    int64_t workers, total;

    if (s == NULL)
        return;
    publish_text(c->r, TG_LIVE_SPEC_CODE, s->name);
    publish_text(c->r, TG_LIVE_SPEC_GPU_TYPE, s->gpu_type);
    publish_number(c->r, TG_LIVE_SPEC_GPU_NUM, s->gpu_num);
    publish_number(c->r, TG_LIVE_SPEC_MAX_NUM, s->max_num);
    if (s->cpu.n > 0)
        tg_live_set_number(c->r, TG_LIVE_SPEC_CPU, tg_arena_dup(c->r->arena, s->cpu));
    if (s->gpu_num >= 0 && integer_of(c, TG_WORKER_SERVER_NUM, &workers) && workers >= 1 &&
        !__builtin_mul_overflow(s->gpu_num, workers, &total))
        tg_live_set_integer(c->r, TG_LIVE_TOTAL_GPUS, total);
}

/* Without one the service takes engine 1 (contract section 1), unless image or algorithm bring
 * theirs. */
static void publish_engine(const struct choosing *c)
{
    const struct tg_choice *e = c->engine;
    bool none = !is_there(c, TG_ENGINE_ID);

    if (e == NULL && none && !is_there(c, TG_USER_IMAGE_URL) && !is_there(c, TG_MODEL_ID))
        e = tg_catalogue_find(&c->catalogue->list[TG_CHOICE_ENGINES], 1);
    if (e != NULL) {
        publish_text(c->r, TG_LIVE_ENGINE_NAME, e->engine_name);
        publish_text(c->r, TG_LIVE_ENGINE_VERSION, e->name);
    } else if (none && is_there(c, TG_USER_IMAGE_URL)) {
        tg_live_set_absent(c->r, TG_LIVE_ENGINE_NAME);
        tg_live_set_absent(c->r, TG_LIVE_ENGINE_VERSION);
    }
}

static void judge_model(const struct choosing *c)
{
    const struct tg_choices *models = &c->catalogue->list[TG_CHOICE_MODELS];
    const struct tg_choice *m;
    int64_t id = 0;

    if (!is_there(c, TG_MODEL_ID))
        tg_live_set_absent(c->r, TG_LIVE_MODEL_NAME);
    if (!integer_of(c, TG_MODEL_ID, &id) || id == 0)
        return;
    m = tg_catalogue_find(models, id);
    if (m == NULL)
        report_unknown(c->r, models, c->member[TG_MODEL_ID], id, "built-in algorithm", "预置算法");
    else
        publish_text(c->r, TG_LIVE_MODEL_NAME, m->name);
}

static enum tg_verdict judge(struct tg_request *r, const struct tg_catalogue *catalogue)
{
    struct choosing c = {.r = r, .catalogue = catalogue};

    c.member = tg_contract_members(r->doc, r->config)->value;
    judge_spec(&c);
    judge_workers(&c);
    judge_engine(&c);
    judge_model(&c);
    publish_spec(&c);
    publish_engine(&c);
    return TG_NEXT; /* violations are told together with those of the policy */
}

/* --- the filter --- */

static enum tg_verdict unknown(struct tg_request *r, const struct tg_catalogue_conf *c,
                               struct tg_str why)
{
    if (c->on_error == TG_LIVE_ALLOW)
        report(r, "catalogue_unknown", r->config,
               tg_arena_printf(r->arena,
                               "could not be compared with what the project can choose from: %.*s",
                               TG_STR_ARG(why)),
               TG_STR(""), TG_STR("无法与项目可选的资源目录比对"), TG_STR(""));
    return tg_live_failed(r, c->on_error, "the catalogue is not known", "资源目录未知");
}

static enum tg_verdict conclude(struct tg_request *r, const struct tg_catalogue_conf *c,
                                const struct tg_lookup *l)
{
    switch (l->result) {
    case TG_LOOKUP_FOUND:
        return judge(r, l->value);
    case TG_LOOKUP_NONE:
        return unknown(r, c, TG_STR("the service has no such lists"));
    case TG_LOOKUP_REFUSED:
        return unknown(r, c, TG_STR("the service refuses this credential"));
    case TG_LOOKUP_FAILED:
    case TG_LOOKUP_WAIT:
        break;
    }
    return unknown(r, c, TG_STR("the service does not answer"));
}

static bool is_project(struct tg_str s)
{
    return s.n > 0 && s.n <= MAX_PROJECT && tg_chars_are(s, TG_CHAR_NAME);
}

static enum tg_verdict ask(struct tg_request *r, const struct tg_catalogue_conf *c,
                           struct tg_lookup *l)
{
    struct tg_lookup_ask a = {.kind = &tg_catalogue_kind,
                              .upstream = r->upstream,
                              .subject = r->project_id,
                              .ttl = c->ttl,
                              .stale = c->stale,
                              .timeout = c->timeout};

    if (!tg_live_credentials(r, &a))
        return unknown(r, c, TG_STR("the request has no credential to ask with"));
    if (tg_lookup(r, l, &a) == TG_LOOKUP_WAIT)
        return TG_WAIT;
    return conclude(r, c, l);
}

/* The command line has the catalogue in a file, or none: then nothing is judged by it. */
static enum tg_verdict take_given(struct tg_request *r)
{
    struct tg_catalogue given;
    const char *why;

    if (r->given == NULL || r->given->catalogue.n == 0)
        return TG_NEXT;
    why = tg_catalogue_read(&given, r->arena, r->given->catalogue);
    return why == NULL ? judge(r, &given)
                       : tg_fail(r, tg_arena_printf(r->arena, "catalogue: %s", why).p);
}

/* A config that chooses nothing needs no list, and one that is refused already needs none. */
static bool has_nothing_to_find(const struct tg_request *r)
{
    const uint32_t *member;

    if (r->report.violations > 0 || tg_doc_type(r->doc, r->config) != TG_OBJECT)
        return true;
    member = tg_contract_members(r->doc, r->config)->value;
    return member[TG_SPEC_ID] == TG_NONE && member[TG_ENGINE_ID] == TG_NONE &&
           member[TG_MODEL_ID] == TG_NONE;
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    const struct tg_catalogue_conf *c = conf;

    if (has_nothing_to_find(r))
        return TG_NEXT;
    if (r->host == NULL && r->given != NULL && r->given->catalogue.n > 0)
        return take_given(r);
    if (c->known != NULL)
        return judge(r, c->known);
    if (r->host == NULL)
        return TG_NEXT;
    if (!is_project(r->project_id))
        return unknown(r, c, TG_STR("the path names no project"));
    return ask(r, c, state);
}

static void on_done(struct tg_request *r, const void *conf, void *state)
{
    (void)r, (void)conf;
    tg_lookup_done(state);
}

/* --- a catalogue in a file --- */

static bool load_file(struct tg_conf *c, struct tg_catalogue_conf *conf)
{
    struct tg_catalogue *known = tg_arena_zalloc(c->arena, 1, sizeof(*known));
    struct tg_file file;
    const char *why = tg_file_read(c->arena, conf->file.p, &file);

    if (why == NULL)
        why = tg_catalogue_read(known, c->arena, file.text);
    if (why != NULL)
        tg_conf_error(c, conf->item, "catalogue \"%s\": %s", conf->file.p, why);
    conf->known = known;
    return why == NULL;
}

static bool on_load(struct tg_conf *c, const struct tg_conf_item *location, void *conf)
{
    struct tg_catalogue_conf *k = conf;

    (void)location;
    return k->file.n == 0 || load_file(c, k);
}

static void on_dump(const void *conf, struct tg_buf *out)
{
    const struct tg_catalogue_conf *c = conf;

    if (c->known != NULL)
        tg_buf_printf(out, "# catalogue %s: %u specifications, %u engines, %u algorithms\n",
                      c->file.p, c->known->list[TG_CHOICE_SPECS].n,
                      c->known->list[TG_CHOICE_ENGINES].n, c->known->list[TG_CHOICE_MODELS].n);
}

const struct tg_filter tg_filter_catalogue = {
    .abi = TG_FILTER_ABI,
    .name = "catalogue",
    .help = "Compares what a config chooses (spec_id, engine_id, model_id, worker_server_num) with "
            "what the project can choose from, and tells policies what it is.",
    .traits = TG_NEEDS_DOCUMENT | TG_JUDGES_BODY,
    .directives = directives,
    .conf_size = sizeof(struct tg_catalogue_conf),
    .state_size = sizeof(struct tg_lookup),
    .on_load = on_load,
    .on_request = on_request,
    .on_done = on_done,
    .on_dump = on_dump,
};
