/* Which places hide their values, and what is written instead. */
#include "audit/redact.h"

#include "base/check.h"

enum { SHOWN_HEX = 32 }; /* digits of a redacted value: 128 bits */

/* How a member of the config is told in a body that nothing around it hides: after a look at its
 * place, not at all, or as it stands unless it is a container. */
enum way { LOOK, OMITTED, PLAIN };

/* Facts that make a look at what stands around necessary. */
enum { CAREFUL = TG_NAME_MATCHES | TG_NAME_NAMES | TG_NAME_VALUE };

static enum way way_of(const struct tg_audit_conf *conf, const struct tg_contract_member *row,
                       unsigned facts)
{
    if (conf->body == TG_AUDIT_BODY_METADATA && (row->flags & TG_CONTRACT_OMIT) != 0)
        return OMITTED;
    if ((facts & CAREFUL) != 0 || (facts & TG_NAME_IS_PLAIN) == 0)
        return LOOK;
    return conf->body == TG_AUDIT_BODY_FULL || (row->flags & TG_CONTRACT_HARMLESS) != 0 ? PLAIN
                                                                                        : LOOK;
}

void tg_redact_init(struct tg_redact *r, const struct tg_audit_conf *conf)
{
    CHECK(conf->checked);
    *r = (struct tg_redact){.conf = conf, .most = SIZE_MAX};
    r->hash = tg_hash_new((struct tg_str){(const char *)conf->salt, sizeof(conf->salt)});
    r->tokens = tg_token_cache_new();
    tg_names_init(&r->names, conf);
    for (unsigned i = 0; i < TG_CONFIG_ROWS; i++) {
        const struct tg_contract_member *row = &tg_contract_config[i];

        r->config_facts[i] = (uint8_t)tg_names_look(&r->names, tg_str_of(row->name));
        r->config_ways[i] = (uint8_t)way_of(conf, row, r->config_facts[i]);
    }
}

void tg_redact_end(struct tg_redact *r)
{
    tg_token_cache_end(r->tokens);
    r->tokens = NULL;
    tg_hash_end(r->hash);
    r->hash = NULL;
}

/* --- places --- */

static bool is_container(const struct tg_doc *doc, uint32_t node)
{
    return tg_doc_type(doc, node) == TG_OBJECT || tg_doc_type(doc, node) == TG_ARRAY;
}

/* True when the member `value` of this object goes by a name that matches. */
static bool value_is_named(struct tg_redact *r, const struct tg_doc *doc, uint32_t object)
{
    for (size_t i = 0; i < TG_NAMING_MEMBERS; i++) {
        uint32_t node = tg_doc_member(doc, object, tg_naming_members[i]);

        if (node != TG_NONE && tg_doc_type(doc, node) == TG_STRING &&
            (tg_names_look(&r->names, tg_doc_string(doc, node)) & TG_NAME_MATCHES) != 0)
            return true;
    }
    return false;
}

/* True when the value of a member is hidden because of names; `facts` of its own. */
static bool name_hides(struct tg_redact *r, const struct tg_doc *doc, uint32_t object,
                       unsigned facts)
{
    if ((facts & CAREFUL) == 0)
        return false; /* so are most */
    if ((facts & TG_NAME_NAMES) != 0 && tg_doc_member(doc, object, TG_STR("value")) != TG_NONE)
        return false;
    return (facts & TG_NAME_MATCHES) != 0 ||
           ((facts & TG_NAME_VALUE) != 0 && value_is_named(r, doc, object));
}

/* True when `node` is the config or stands around it. */
static bool holds_config(const struct tg_request *q, uint32_t node)
{
    uint32_t up = q->config;

    while (up != TG_NONE && up != node)
        up = tg_doc_parent(q->doc, up);
    return up != TG_NONE;
}

/* Beside the config a body has names of its own (contract section 1). */
static bool names_job(struct tg_str name)
{
    return tg_str_eq(name, TG_STR("job_name")) || tg_str_eq(name, TG_STR("config_name"));
}

/* The table of the config's members. A config that is no object has none. */
static const struct tg_contract_member *config_members(const struct tg_request *q)
{
    if (tg_doc_type(q->doc, q->config) != TG_OBJECT)
        return NULL;
    if (q->doc->beside == NULL) /* no filter has looked */
        (void)tg_contract_members(q->doc, q->config);
    return tg_contract_config;
}

static struct tg_redact_place outermost(const struct tg_redact *r, const struct tg_request *q)
{
    return (struct tg_redact_place){
        .members = q->config == 0 ? config_members(q) : NULL,
        .hidden = r->conf->body == TG_AUDIT_BODY_NONE,
        .around = q->config != 0 && q->config != TG_NONE,
    };
}

/* True when what stands at a place is told, a container by its members. */
static bool tells(const struct tg_redact *r, const struct tg_redact_place *place, bool container)
{
    if (place->hidden || r->conf->body == TG_AUDIT_BODY_FULL)
        return !place->hidden;
    return container ? place->members != NULL || place->around : place->harmless;
}

/* A number, in quotes or not. */
static bool is_number(const struct tg_doc *doc, uint32_t value)
{
    struct tg_str text = tg_doc_string(doc, value);

    for (size_t i = 0; i < text.n; i++)
        if (strchr("+-.0123456789eE", text.p[i]) == NULL || text.p[i] == '\0')
            return false;
    return true;
}

/* What stands where a number should may be anything. */
static bool fits(const struct tg_contract_member *row, const struct tg_doc *doc, uint32_t value)
{
    return row->type != TG_CONTRACT_INTEGER || tg_doc_type(doc, value) != TG_STRING ||
           is_number(doc, value);
}

/* The place of a member's value. `facts` are those of its name. */
static struct tg_redact_place member_place(struct tg_redact *r, const struct tg_request *q,
                                           const struct tg_redact_place *object, uint32_t name,
                                           unsigned facts)
{
    const struct tg_doc *doc = q->doc;
    uint32_t value = tg_doc_value(doc, name);
    struct tg_redact_place place = {.hidden = object->hidden};
    const struct tg_contract_member *row;

    if (object->members != NULL) {
        row = tg_contract_row(doc, object->members, name);
        place.members = row != NULL ? row->members : NULL;
        place.harmless =
            row != NULL && (row->flags & TG_CONTRACT_HARMLESS) != 0 && fits(row, doc, value);
    } else if (object->around) {
        place.around = value != q->config && holds_config(q, value);
        place.members = value == q->config ? config_members(q) : NULL;
        place.harmless = names_job(tg_doc_string(doc, name));
    }
    if (!place.hidden && (tells(r, &place, true) || tells(r, &place, false)))
        place.hidden = name_hides(r, doc, tg_doc_parent(doc, name), facts);
    return place;
}

static struct tg_redact_place element_place(const struct tg_request *q,
                                            const struct tg_redact_place *array, uint32_t element)
{
    struct tg_redact_place place = *array;

    place.harmless = false;
    if (place.around && element == q->config)
        place = (struct tg_redact_place){.members = config_members(q), .hidden = array->hidden};
    return place;
}

/* The nodes around one, from the outside in, and the node itself; names are none of them. */
static unsigned way_to(const struct tg_doc *doc, uint32_t node, uint32_t out[TG_JSON_MAX_DEPTH + 1])
{
    unsigned n = 0;
    unsigned at;

    for (uint32_t up = node; up != TG_NONE; up = tg_doc_parent(doc, up))
        n += tg_doc_type(doc, up) != TG_NAME;
    CHECK(n <= TG_JSON_MAX_DEPTH + 1);
    at = n;
    for (uint32_t up = node; up != TG_NONE; up = tg_doc_parent(doc, up))
        if (tg_doc_type(doc, up) != TG_NAME)
            out[--at] = up;
    return n;
}

/* From a container to the next node on the way. */
static struct tg_redact_place next_place(struct tg_redact *r, const struct tg_request *q,
                                         const struct tg_redact_place *from, uint32_t node)
{
    uint32_t parent = tg_doc_parent(q->doc, node);

    if (tg_doc_type(q->doc, parent) != TG_NAME)
        return element_place(q, from, node);
    return member_place(r, q, from, parent,
                        tg_names_look(&r->names, tg_doc_string(q->doc, parent)));
}

/* The place of a value. */
static struct tg_redact_place place_of(struct tg_redact *r, const struct tg_request *q,
                                       uint32_t node, struct tg_redact_path *path)
{
    uint32_t way[TG_JSON_MAX_DEPTH + 1];
    struct tg_redact_place place = outermost(r, q);
    unsigned n = way_to(q->doc, node, way);

    for (unsigned i = 0; i + 1 < n; i++) {
        if (i >= path->n || path->at[i].node != way[i]) {
            path->at[i].node = way[i];
            path->at[i].place = i == 0 ? place : next_place(r, q, &place, way[i]);
            path->n = i + 1;
        }
        place = path->at[i].place;
    }
    return n > 1 ? next_place(r, q, &place, node) : place;
}

bool tg_redact_tells(struct tg_redact *r, const struct tg_request *q, uint32_t node,
                     struct tg_redact_path *path)
{
    struct tg_redact_place place;

    CHECK(q->doc != NULL && node < q->doc->count);
    if (tg_doc_type(q->doc, node) == TG_NAME)
        node = tg_doc_value(q->doc, node);
    place = place_of(r, q, node, path);
    return tells(r, &place, is_container(q->doc, node));
}

/* --- texts --- */

void tg_redact_digest(struct tg_redact *r, struct tg_buf *out, struct tg_str value)
{
    unsigned char digest[TG_SHA256];

    tg_hash_hmac(r->hash, &value, 1, digest);
    tg_buf_add(out, TG_STR("hmac-sha256:"));
    tg_hex(digest, SHOWN_HEX / 2, tg_buf_room(out, SHOWN_HEX));
    out->n += SHOWN_HEX;
}

void tg_redact_token(struct tg_redact *r, struct tg_buf *out, struct tg_str token)
{
    struct tg_str name = tg_token_cache_find(r->tokens, token);
    size_t start = out->n;

    if (name.p != NULL) {
        tg_buf_add(out, name);
        return;
    }
    tg_redact_digest(r, out, token);
    tg_token_cache_keep(r->tokens, token, tg_str_skip(tg_buf_str(out), start));
}

/* The same as tg_redact_digest(), as a JSON string. */
static void add_hidden(struct tg_redact *r, struct tg_buf *out, struct tg_str value)
{
    tg_buf_putc(out, '"');
    tg_redact_digest(r, out, value);
    tg_buf_putc(out, '"');
}

void tg_redact_message(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                       const struct tg_message *message, const struct tg_message_value *value,
                       struct tg_redact_path *path)
{
    struct tg_buf text = {0};

    tg_buf_add(&text, message->before);
    if (value->text.p != NULL && !tg_redact_tells(r, q, value->node, path))
        tg_redact_digest(r, &text, tg_doc_text(q->doc, value->node));
    else
        tg_buf_add(&text, value->text);
    tg_buf_add(&text, message->after);
    tg_buf_json(out, tg_buf_str(&text));
    tg_buf_end(&text);
}

/* --- bodies --- */

static void add_comma(struct tg_buf *out, char open)
{
    if (out->p[out->n - 1] != open)
        tg_buf_putc(out, ',');
}

/* The name of a member with its colon, and the comma before it. */
static void add_name(struct tg_buf *out, struct tg_str name, bool plain)
{
    char *p;

    add_comma(out, '{');
    if (!plain) {
        tg_buf_json(out, name);
        tg_buf_putc(out, ':');
        return;
    }
    p = tg_buf_room(out, name.n + 3);
    *p++ = '"';
    memcpy(p, name.p, name.n);
    p[name.n] = '"';
    p[name.n + 1] = ':';
    out->n += name.n + 3;
}

/* A member with a plain name and a value that is told as it stands, in one go. */
static void add_plain(struct tg_buf *out, struct tg_str name, struct tg_str value)
{
    char *p = tg_buf_room(out, name.n + value.n + strlen(",\"\":"));

    if (p[-1] != '{')
        *p++ = ',';
    *p++ = '"';
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = '"';
    *p++ = ':';
    memcpy(p, value.p, value.n);
    out->n = (size_t)(p + value.n - out->p);
}

static void add_container(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                          const struct tg_redact_place *place, uint32_t node);

/* Most values are no containers: no call for them. */
static inline void add_value(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                             const struct tg_redact_place *place, uint32_t node)
{
    bool container = is_container(q->doc, node);

    if (!tells(r, place, container))
        add_hidden(r, out, tg_doc_text(q->doc, node));
    else if (container)
        add_container(r, out, q, place, node);
    else
        tg_buf_add(out, tg_doc_text(q->doc, node));
}

/* The facts of a member's name; those of the config's members are ready. */
static unsigned facts_of(struct tg_redact *r, const struct tg_redact_place *object,
                         const struct tg_contract_member *row, struct tg_str name)
{
    if (row != NULL && object->members == tg_contract_config)
        return r->config_facts[row - tg_contract_config];
    return tg_names_look(&r->names, name);
}

/* A member of the config that needs no look at what stands around it; false: it does. So most are
 * told. */
static bool add_known(const struct tg_redact *r, struct tg_buf *out, const struct tg_doc *doc,
                      uint32_t name)
{
    unsigned number = tg_contract_number(doc, tg_contract_config, name);
    const struct tg_contract_member *row;
    uint32_t value = tg_doc_value(doc, name);

    if (number == TG_CONTRACT_UNKNOWN || r->config_ways[number - 1] == LOOK)
        return false;
    if (r->config_ways[number - 1] == OMITTED)
        return true;
    row = &tg_contract_config[number - 1];
    if (is_container(doc, value) || !fits(row, doc, value))
        return false;
    add_plain(out, (struct tg_str){row->name, row->length}, tg_doc_text(doc, value));
    return true;
}

/* Any member, by its place. */
static void add_member(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                       const struct tg_redact_place *object, uint32_t name)
{
    const struct tg_doc *doc = q->doc;
    const struct tg_contract_member *row =
        object->members != NULL ? tg_contract_row(doc, object->members, name) : NULL;
    struct tg_redact_place place;
    struct tg_str text;
    unsigned facts;

    if (r->conf->body == TG_AUDIT_BODY_METADATA && row != NULL &&
        (row->flags & TG_CONTRACT_OMIT) != 0)
        return;
    text = tg_doc_string(doc, name);
    facts = facts_of(r, object, row, text);
    add_name(out, text, (facts & TG_NAME_IS_PLAIN) != 0);
    place = member_place(r, q, object, name, facts);
    add_value(r, out, q, &place, tg_doc_value(doc, name));
}

static void add_members(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                        const struct tg_redact_place *object, uint32_t node)
{
    bool open = object->members == tg_contract_config && !object->hidden;

    for (uint32_t m = tg_doc_first(q->doc, node); m != TG_NONE && out->n <= r->most;
         m = tg_doc_next(q->doc, m)) {
        CHECK(tg_doc_value(q->doc, m) != TG_NONE);
        if (!open || !add_known(r, out, q->doc, m))
            add_member(r, out, q, object, m);
    }
}

static void add_elements(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                         const struct tg_redact_place *array, uint32_t node)
{
    for (uint32_t e = tg_doc_first(q->doc, node); e != TG_NONE && out->n <= r->most;
         e = tg_doc_next(q->doc, e)) {
        struct tg_redact_place place = element_place(q, array, e);

        place.around = place.around && holds_config(q, e);
        add_comma(out, '[');
        add_value(r, out, q, &place, e);
    }
}

static void add_container(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                          const struct tg_redact_place *place, uint32_t node)
{
    bool object = tg_doc_type(q->doc, node) == TG_OBJECT;

    tg_buf_putc(out, object ? '{' : '[');
    if (object)
        add_members(r, out, q, place, node);
    else
        add_elements(r, out, q, place, node);
    tg_buf_putc(out, object ? '}' : ']');
}

void tg_redact_body(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q)
{
    struct tg_redact_place place = outermost(r, q);

    CHECK(r->conf->body != TG_AUDIT_BODY_NONE && q->doc != NULL);
    add_container(r, out, q, &place, 0);
}

void tg_redact_node(struct tg_redact *r, struct tg_buf *out, const struct tg_request *q,
                    uint32_t node, struct tg_redact_path *path)
{
    struct tg_redact_place place = place_of(r, q, node, path);

    add_value(r, out, q, &place, node);
}
