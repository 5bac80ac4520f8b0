/* Paths of rules: `spec_id`, `flavor.code`, `parameter[*].label`, `parameter[label=NAME].value`. */
#include "base/check.h"
#include "contract/contract.h"
#include "policy/internal.h"

/* --- names --- */

enum { MAX_PAIRS = 64, MAX_NAMES = 128 };

/* Letter pairs that two names have in common, in hundredths of all their pairs. A typo in a long
 * name, or a part left out of it, keeps most of them. */
static size_t likeness(struct tg_str a, struct tg_str b)
{
    bool used[MAX_PAIRS] = {false};
    size_t common = 0;

    if (a.n < 2 || b.n < 2 || b.n > MAX_PAIRS)
        return 0;
    for (size_t i = 0; i + 1 < a.n; i++) {
        for (size_t k = 0; k + 1 < b.n; k++) {
            if (!used[k] && strncasecmp(a.p + i, b.p + k, 2) == 0) {
                used[k] = true;
                common++;
                break;
            }
        }
    }
    return common * 200 / (a.n + b.n - 2);
}

/* The known name nearest to `name`: a slip of the pen, else the one that is most alike. */
static const char *nearest(struct tg_str name, const char *const *names)
{
    const char *best = tg_conf_nearest(name, names);
    size_t most = 0;

    if (best != NULL)
        return best;
    for (; *names != NULL; names++) {
        size_t alike = likeness(name, tg_str_of(*names));

        if (alike > most) {
            most = alike;
            best = *names;
        }
    }
    return best;
}

/* --- the contract's table, as far as rules ask it --- */

static bool unknown_member(struct tg_conf *c, const struct tg_conf_item *item,
                           const struct tg_contract_member *members, struct tg_str name)
{
    const char *names[MAX_NAMES];
    const char *hint;
    size_t n = 0;

    for (; members != NULL && members->name != NULL && n < MAX_NAMES - 1; members++)
        names[n++] = members->name;
    names[n] = NULL;
    hint = nearest(name, names);
    if (hint != NULL)
        tg_conf_error(c, item, "unknown member \"%.*s\", did you mean \"%s\"?", TG_STR_ARG(name),
                      hint);
    else
        tg_conf_error(c, item, "unknown member \"%.*s\", \"at_unknown\" takes any name",
                      TG_STR_ARG(name));
    return false;
}

/* What a type of the contract is for rules. */
static const struct {
    enum tg_contract_type type;
    unsigned types;
    const char *is;
} kinds[] = {
    {TG_CONTRACT_STRING, TG_TYPE_TEXT, "a string"},
    {TG_CONTRACT_INTEGER, TG_TYPE_NUMBER, "an integer"},
    {TG_CONTRACT_OBJECT, TG_TYPE_CONTAINER, "an object"},
    {TG_CONTRACT_OBJECTS, TG_TYPE_CONTAINER, "an array"},
    {TG_CONTRACT_ARRAY, TG_TYPE_CONTAINER, "an array"},
    {TG_CONTRACT_ANY, TG_TYPE_ANY, "anything"},
};

static void set_kind(struct tg_policy_path *path, const struct tg_contract_member *m, bool element)
{
    path->leaf = element ? NULL : m;
    path->empty = !element && (m->flags & TG_CONTRACT_EMPTY) != 0;
    path->obs = !element && (m->flags & TG_CONTRACT_OBS) != 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (kinds[i].type == m->type) {
            path->types = kinds[i].types;
            path->is = kinds[i].is;
        }
    }
    CHECK(path->is != NULL);
    if (element) {
        path->types = m->type == TG_CONTRACT_OBJECTS ? TG_TYPE_CONTAINER : TG_TYPE_ANY;
        path->is = "an object";
    }
}

static bool is_array(const struct tg_contract_member *m)
{
    return m->type == TG_CONTRACT_OBJECTS || m->type == TG_CONTRACT_ARRAY;
}

/* True when the step fits the member it names; `last` is whether the path ends there. */
static bool path_fits(struct tg_conf *c, const struct tg_conf_item *item,
                      const struct tg_contract_member *m, const struct tg_policy_step *step,
                      bool last)
{
    if (m->type == TG_CONTRACT_ANY)
        return true;
    if (step->select != TG_SELECT_NONE && !is_array(m)) {
        tg_conf_error(c, item, "\"%s\" is no array, it takes no \"[...]\"", m->name);
        return false;
    }
    if (step->select == TG_SELECT_NONE && is_array(m) && !last) {
        tg_conf_error(c, item, "\"%s\" is an array, write \"%s[*]\"", m->name, m->name);
        return false;
    }
    if (!last && !is_array(m) && m->type != TG_CONTRACT_OBJECT) {
        tg_conf_error(c, item, "\"%s\" has no members", m->name);
        return false;
    }
    return true;
}

/* True when the table looks into what a step leads to; what it does not, takes any name. */
static bool looks_into(const struct tg_contract_member *m)
{
    return m->members != NULL;
}

static void find_row(struct tg_policy_name *name, const struct tg_contract_member *members)
{
    name->row = tg_contract_find(members, name->text);
    name->members = members;
    name->number = name->row != NULL ? (unsigned)(name->row - members) : 0;
}

/* Checks the names of a path against the contract's table, and has them remember their rows. */
static bool resolve(struct tg_conf *c, const struct tg_conf_item *item, struct tg_policy_path *path,
                    struct tg_policy_step *steps)
{
    const struct tg_contract_member *members = tg_contract_config;
    const struct tg_contract_member *m = NULL;

    for (unsigned i = 0; i < path->nsteps; i++) {
        struct tg_policy_step *step = &steps[i];

        find_row(&step->name, members);
        m = step->name.row;
        if (m == NULL)
            return unknown_member(c, item, members, step->name.text);
        path->response = path->response || (m->flags & TG_CONTRACT_RESPONSE) != 0;
        if (!path_fits(c, item, m, step, i + 1 == path->nsteps))
            return false;
        if (!looks_into(m) && (i + 1 < path->nsteps || step->select != TG_SELECT_NONE))
            return true;
        members = m->members;
        if (step->select != TG_SELECT_WHERE)
            continue;
        find_row(&step->where_name, members);
        if (step->where_name.row == NULL)
            return unknown_member(c, item, members, step->where_name.text);
    }
    CHECK(m != NULL);
    set_kind(path, m, steps[path->nsteps - 1].select != TG_SELECT_NONE);
    return true;
}

/* --- what is not in the config of the request --- */

/* What a live value is for rules. */
static const struct {
    unsigned types;
    const char *is;
} live_kinds[] = {
    [TG_LIVE_TEXT] = {TG_TYPE_TEXT, "a string"},
    [TG_LIVE_NUMBER] = {TG_TYPE_NUMBER, "a number"},
};

/* Those of the catalogue: who asks is a matter of matches. */
static bool is_of_config(enum tg_live_name name)
{
    return strcmp(tg_live_infos[name].filter, "catalogue") == 0;
}

/* True when the name begins with a word that live values have before their dot. */
static bool looks_live(struct tg_str text)
{
    for (unsigned i = 0; i < TG_LIVE_NAMES; i++) {
        struct tg_str name = tg_str_of(tg_live_infos[i].name);
        const char *dot = memchr(name.p, '.', name.n);

        if (is_of_config((enum tg_live_name)i) &&
            tg_str_starts(text, (struct tg_str){name.p, (size_t)(dot - name.p) + 1}))
            return true;
    }
    return false;
}

/* Records which live values there are. */
static bool unknown_live(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text)
{
    const char *names[TG_LIVE_NAMES + 1];
    unsigned n = 0;

    for (unsigned i = 0; i < TG_LIVE_NAMES; i++)
        if (is_of_config((enum tg_live_name)i))
            names[n++] = tg_live_infos[i].name;
    names[n] = NULL;
    tg_conf_unknown(c, item, "live value", text, names);
    return false;
}

static bool read_live(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                      struct tg_policy_path *out)
{
    enum tg_live_name name = tg_live_find(text);

    if (name == TG_LIVE_NAMES)
        return unknown_live(c, item, text);
    out->source = TG_SOURCE_LIVE;
    out->live = name;
    out->types = live_kinds[tg_live_infos[name].kind].types;
    out->is = live_kinds[tg_live_infos[name].kind].is;
    return true;
}

/* Takes the "old" off a path; false when it is another. */
static bool take_old(struct tg_str *text)
{
    const struct tg_str word = TG_STR("old");

    if (!tg_str_starts(*text, word) || (text->n > word.n && text->p[word.n] != '.'))
        return false;
    *text = tg_str_skip(*text, text->n > word.n ? word.n + 1 : word.n);
    return true;
}

/* --- reading --- */

/* Takes "[*]" or "[NAME=VALUE]" off *rest, which begins with '['. NULL, or what is wrong. */
static const char *read_select(struct tg_str *rest, struct tg_policy_step *step)
{
    const char *close = memchr(rest->p, ']', rest->n);
    struct tg_str inside;
    const char *equals;

    if (close == NULL)
        return "a \"]\" is missing";
    inside = (struct tg_str){rest->p + 1, (size_t)(close - rest->p) - 1};
    *rest = tg_str_skip(*rest, inside.n + 2);
    if (tg_str_eq(inside, TG_STR("*"))) {
        step->select = TG_SELECT_ALL;
        return NULL;
    }
    equals = inside.n > 0 ? memchr(inside.p, '=', inside.n) : NULL;
    if (equals == NULL || equals == inside.p)
        return "brackets take \"*\" or \"NAME=VALUE\"";
    step->select = TG_SELECT_WHERE;
    step->where_name.text = (struct tg_str){inside.p, (size_t)(equals - inside.p)};
    step->where_value = tg_str_skip(inside, step->where_name.text.n + 1);
    return NULL;
}

static const char *read_step(struct tg_str *rest, struct tg_policy_step *step)
{
    size_t n = 0;

    while (n < rest->n && rest->p[n] != '.' && rest->p[n] != '[' && rest->p[n] != ']')
        n++;
    *step = (struct tg_policy_step){.name.text = {rest->p, n}, .select = TG_SELECT_NONE};
    *rest = tg_str_skip(*rest, n);
    if (n == 0)
        return "a name is missing";
    return rest->n > 0 && *rest->p == '[' ? read_select(rest, step) : NULL;
}

/* NULL, or what is wrong with the form of a path. */
static const char *read_steps(struct tg_str rest, struct tg_policy_step *steps, unsigned *nsteps)
{
    for (;;) {
        const char *why;

        if (*nsteps == TG_POLICY_MAX_STEPS)
            return "it has more than 8 steps";
        why = read_step(&rest, &steps[(*nsteps)++]);
        if (why != NULL)
            return why;
        if (rest.n == 0)
            return NULL;
        if (*rest.p != '.')
            return "a \".\" is missing";
        rest = tg_str_skip(rest, 1);
    }
}

bool tg_policy_path_read(struct tg_conf *c, const struct tg_conf_item *item, struct tg_str text,
                         bool unknown, struct tg_policy_path *out)
{
    struct tg_policy_step read[TG_POLICY_MAX_STEPS];
    struct tg_policy_step *steps;
    const char *why;

    *out = (struct tg_policy_path){.text = text, .types = TG_TYPE_ANY, .is = "anything"};
    if (!unknown && looks_live(text))
        return read_live(c, item, text, out);
    if (!unknown && take_old(&text)) {
        out->source = TG_SOURCE_OLD;
        if (text.n == 0) {
            out->types = TG_TYPE_CONTAINER;
            out->is = "an object";
            return true;
        }
    }
    why = read_steps(text, read, &out->nsteps);
    if (why != NULL) {
        tg_conf_error(c, item, "\"%.*s\" is no path: %s", TG_STR_ARG(text), why);
        return false;
    }
    steps = tg_arena_alloc(c->arena, out->nsteps * sizeof(*steps));
    memcpy(steps, read, out->nsteps * sizeof(*steps));
    out->steps = steps;
    out->unknown = unknown;
    out->direct = !unknown && out->nsteps == 1 && steps[0].select == TG_SELECT_NONE;
    return unknown || resolve(c, item, out, steps);
}

/* --- walking --- */

struct walk {
    const struct tg_policy_path *path;
    const struct tg_policy_step *last;
    const struct tg_doc *doc;
    tg_policy_value_hook *hook;
    void *context;
};

static void path_tell(const struct walk *w, enum tg_policy_found found, uint32_t node,
                      struct tg_str name)
{
    struct tg_policy_value value = {.found = found, .node = node, .name = name};

    w->hook(w->context, &value);
}

static void tell_value(const struct walk *w, uint32_t node)
{
    path_tell(w, TG_FOUND_VALUE, node, (struct tg_str){NULL, 0});
}

static void tell_other(const struct walk *w, uint32_t node)
{
    path_tell(w, TG_FOUND_OTHER, node, (struct tg_str){NULL, 0});
}

/* The value of an object's member. Nodes remember the rows of their names: most are told apart
 * without a look at them. */
static uint32_t member(const struct tg_doc *doc, uint32_t object, const struct tg_policy_name *name)
{
    if (name->row == NULL)
        return tg_doc_member(doc, object, name->text);
    return tg_contract_value(doc, object, name->members, name->number);
}

/* Names of the contract's tables are the filter `json`'s business; of what only a policy knows,
 * another spelling is found here. */
static void tell_alike(const struct walk *w, const struct tg_policy_name *name, uint32_t object)
{
    if (name->row != NULL)
        return;
    for (uint32_t m = tg_doc_first(w->doc, object); m != TG_NONE; m = tg_doc_next(w->doc, m)) {
        struct tg_str text = tg_doc_string(w->doc, m);

        if (!tg_str_eq(text, name->text) && tg_contract_reads_alike(text, name->text))
            path_tell(w, TG_FOUND_ALIKE, m, name->text);
    }
}

static bool selected(const struct walk *w, const struct tg_policy_step *step, uint32_t element)
{
    uint32_t value;

    if (step->select == TG_SELECT_ALL)
        return true;
    if (tg_doc_type(w->doc, element) != TG_OBJECT)
        return false;
    value = member(w->doc, element, &step->where_name);
    if (value == TG_NONE || tg_doc_type(w->doc, value) != TG_STRING)
        return false;
    return tg_doc_is(w->doc, value, step->where_value);
}

static bool is_none(const struct walk *w, const struct tg_policy_step *step, uint32_t node)
{
    if (step == w->last)
        return tg_contract_is_absent(w->doc, node, w->path->empty);
    return node == TG_NONE || tg_doc_type(w->doc, node) == TG_NULL;
}

static void visit_elements(const struct walk *w, const struct tg_policy_step *step, uint32_t parent,
                           uint32_t array);

/* From what stands where a step leads (TG_NONE: nothing) to where the path does. */
static void visit(const struct walk *w, const struct tg_policy_step *step, uint32_t parent,
                  uint32_t node)
{
    while (!is_none(w, step, node)) {
        if (step->select != TG_SELECT_NONE) {
            visit_elements(w, step, parent, node);
            return;
        }
        if (step == w->last) {
            tell_value(w, node);
            return;
        }
        if (tg_doc_type(w->doc, node) != TG_OBJECT) {
            tell_other(w, node);
            return;
        }
        step++;
        parent = node;
        node = member(w->doc, parent, &step->name);
        tell_alike(w, &step->name, parent);
    }
    path_tell(w, TG_FOUND_MISSING, parent, step->name.text);
}

/* Most paths end with a member of an element. */
static void visit_member(const struct walk *w, const struct tg_policy_step *step, uint32_t element)
{
    uint32_t node = member(w->doc, element, &step->name);

    tell_alike(w, &step->name, element);
    if (step == w->last && step->select == TG_SELECT_NONE && !is_none(w, step, node))
        tell_value(w, node);
    else
        visit(w, step, element, node);
}

static void visit_elements(const struct walk *w, const struct tg_policy_step *step, uint32_t parent,
                           uint32_t array)
{
    bool some = false;

    if (tg_doc_type(w->doc, array) != TG_ARRAY) {
        tell_other(w, array);
        return;
    }
    for (uint32_t e = tg_doc_first(w->doc, array); e != TG_NONE; e = tg_doc_next(w->doc, e)) {
        if (!selected(w, step, e))
            continue;
        some = true;
        if (step == w->last)
            tell_value(w, e);
        else if (tg_doc_type(w->doc, e) != TG_OBJECT)
            tell_other(w, e);
        else
            visit_member(w, step + 1, e);
    }
    if (!some)
        path_tell(w, TG_FOUND_MISSING, parent, step->name.text);
}

struct gathering {
    struct tg_policy_nodes *nodes;
    struct tg_arena *arena;
};

static void path_gather(void *context, const struct tg_policy_value *value)
{
    const struct gathering *g = context;
    struct tg_policy_nodes *nodes = g->nodes;

    if (value->found == TG_FOUND_MISSING || value->found == TG_FOUND_ALIKE)
        return;
    if (nodes->n == nodes->cap) {
        uint32_t *more;

        nodes->cap = nodes->cap * 2 + 8;
        more = tg_arena_alloc(g->arena, nodes->cap * sizeof(*more));
        if (nodes->n > 0)
            memcpy(more, nodes->at, nodes->n * sizeof(*more));
        nodes->at = more;
    }
    nodes->at[nodes->n++] = value->node;
}

void tg_policy_path_nodes(const struct tg_policy_path *path, const struct tg_doc *doc,
                          uint32_t config, struct tg_arena *arena, struct tg_policy_nodes *out)
{
    struct gathering g = {out, arena};
    uint32_t first = TG_NONE;

    *out = (struct tg_policy_nodes){.doc = doc};
    if (tg_doc_type(doc, config) == TG_OBJECT)
        first = tg_doc_member(doc, config, path->steps[0].name.text);
    tg_policy_path_walk(path, doc, config, first, path_gather, &g);
}

void tg_policy_path_walk(const struct tg_policy_path *path, const struct tg_doc *doc,
                         uint32_t config, uint32_t first, tg_policy_value_hook *hook, void *context)
{
    const struct walk w = {path, path->steps + path->nsteps - 1, doc, hook, context};

    CHECK(path->nsteps > 0 && config < doc->count);
    if (tg_doc_type(doc, config) != TG_OBJECT)
        tell_other(&w, config);
    else {
        tell_alike(&w, &path->steps->name, config);
        visit(&w, path->steps, config, first);
    }
}
