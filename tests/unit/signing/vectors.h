/* The recorded signatures of tests/data/signing as C structs. Data: made by the real SDKs, verdicts
 * by an implementation of its own. */
#ifndef TG_TEST_SIGNING_VECTORS_H
#define TG_TEST_SIGNING_VECTORS_H

#include "signing/signature.h"
#include "json/document.h"

#include <stdio.h>

enum { VECTOR_FIELDS = 32 };

struct vector {
    struct tg_str id;
    struct tg_str method, target, body, ak, sk, authorization, verify, now, canonical;
    bool unknown_key;
    struct tg_field fields[VECTOR_FIELDS];
    unsigned nfields;
};

static struct tg_arena vectors_arena;

static inline struct tg_doc vectors_read(const char *name)
{
    static const struct tg_json_limits limits = {TG_JSON_MAX_DEPTH, 1000000};
    char path[512];
    struct tg_json_fault fault;
    struct tg_doc d;
    struct tg_buf text = {0};
    char piece[4096];
    size_t n;

    snprintf(path, sizeof(path), "%s/signing/%s", TG_TEST_DATA, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        tg_buf_add(&text, (struct tg_str){piece, n});
    fclose(f);
    struct tg_str copy = tg_arena_dup(&vectors_arena, tg_buf_str(&text));
    tg_buf_end(&text);
    if (!tg_doc_parse(&d, &vectors_arena, copy, &limits, &fault))
        fail_msg("%s: %s", path, fault.message);
    return d;
}

/* The string of a member, empty when there is none. */
static inline struct tg_str vector_text(const struct tg_doc *d, uint32_t object, const char *name)
{
    uint32_t value = tg_doc_member(d, object, tg_str_of(name));

    return value != TG_NONE && tg_doc_type(d, value) == TG_STRING ? tg_doc_string(d, value)
                                                                  : TG_STR("");
}

/* Calls back for each element of the array `name`. */
static inline void vectors_each(const struct tg_doc *d, const char *name,
                                void (*each)(const struct tg_doc *d, uint32_t object))
{
    char pointer[64];
    unsigned n = 0;

    for (uint32_t object;; n++) {
        snprintf(pointer, sizeof(pointer), "/%s/%u", name, n);
        object = tg_doc_find(d, tg_arena_dup(&vectors_arena, tg_str_of(pointer)));
        if (object == TG_NONE)
            break;
        each(d, object);
    }
    assert_true(n > 0);
}

static inline void vector_add_field(struct vector *v, struct tg_str name, struct tg_str value)
{
    assert_true(v->nfields < VECTOR_FIELDS);
    if (tg_str_ieq(name, TG_STR("Authorization")))
        v->authorization = value;
    v->fields[v->nfields++] = (struct tg_field){name, value};
}

/* Fields as [[name, value], ...]. */
static inline void vector_read_fields(struct vector *v, const struct tg_doc *d, uint32_t object)
{
    struct tg_str at = tg_doc_pointer(d, object);
    char pointer[128];

    for (unsigned i = 0;; i++) {
        struct tg_str pair[2];
        for (unsigned k = 0; k < 2; k++) {
            snprintf(pointer, sizeof(pointer), "%.*s/headers/%u/%u", TG_STR_ARG(at), i, k);
            uint32_t node = tg_doc_find(d, tg_arena_dup(&vectors_arena, tg_str_of(pointer)));
            if (node == TG_NONE)
                return;
            pair[k] = tg_doc_string(d, node);
        }
        vector_add_field(v, pair[0], pair[1]);
    }
}

static inline struct vector vector_read(const struct tg_doc *d, uint32_t object)
{
    struct vector v = {.id = vector_text(d, object, "id"),
                       .method = vector_text(d, object, "method"),
                       .target = vector_text(d, object, "target"),
                       .body = vector_text(d, object, "body"),
                       .ak = vector_text(d, object, "ak"),
                       .sk = vector_text(d, object, "sk"),
                       .authorization = vector_text(d, object, "authorization"),
                       .verify = vector_text(d, object, "verify"),
                       .now = vector_text(d, object, "now"),
                       .canonical = vector_text(d, object, "canonical_request")};
    uint32_t known = tg_doc_member(d, object, TG_STR("ak_known"));

    v.unknown_key = known != TG_NONE && tg_doc_type(d, known) == TG_FALSE;
    vector_read_fields(&v, d, object);
    return v;
}

static inline struct tg_signing_request vector_request(const struct vector *v)
{
    return (struct tg_signing_request){v->method, v->target, v->fields, v->nfields};
}

#endif
