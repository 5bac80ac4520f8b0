/*
 * What a project can choose from: specifications, engines and built-in algorithms, as the service
 * lists them, to be found by their ids.
 */
#ifndef TG_LIVE_CATALOGUE_DATA_H
#define TG_LIVE_CATALOGUE_DATA_H

#include "base/arena.h"
#include "live/lookup.h"

struct tg_choice {
    int64_t id;
    struct tg_str name; /* spec_code, engine_version, model_name */
    /* of a specification */
    struct tg_str gpu_type; /* empty: none */
    struct tg_str cpu;      /* memory, as JSON writes a number; empty: not told */
    int64_t gpu_num;        /* -1: not told */
    int64_t max_num;        /* nodes at most; -1: not told */
    bool no_resource;       /* sold out */
    /* of an engine */
    struct tg_str engine_name;
};

struct tg_choices {
    struct tg_choice *at; /* by id, ascending */
    unsigned n;
};

enum tg_choice_list { TG_CHOICE_SPECS, TG_CHOICE_ENGINES, TG_CHOICE_MODELS, TG_CHOICE_LISTS };

struct tg_catalogue {
    struct tg_choices list[TG_CHOICE_LISTS];
    unsigned reading; /* the list whose pages come */
    unsigned page;    /* of it, from 1 */
};

/* The look-up of all three, page by page; its value is a struct tg_catalogue. */
extern const struct tg_lookup_kind tg_catalogue_kind;

/*
 * Reads a catalogue from one text with the members `specs`, `engines` and `models`, as `trainguard
 * catalogue fetch` writes it. All of it lies in the arena. NULL, or a static text: what is wrong.
 */
const char *tg_catalogue_read(struct tg_catalogue *c, struct tg_arena *arena, struct tg_str text);

/* The member that a list is, in the service's answer and in a file: "specs". Static. */
const char *tg_catalogue_member(unsigned list);

/* The choice of that id, or NULL. */
const struct tg_choice *tg_catalogue_find(const struct tg_choices *list, int64_t id);

enum { TG_NEAREST = 3 };

/* Writes the choices whose ids are most like `id`, the nearest first: "4 (name), 7 (name)". */
void tg_catalogue_nearest(const struct tg_choices *list, int64_t id, struct tg_buf *out);

#endif
