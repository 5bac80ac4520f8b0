/* Who asks, as the service that issued the token says it (filter `identify`). */
#ifndef TG_CHAIN_USER_H
#define TG_CHAIN_USER_H

#include "base/str.h"

struct tg_user {
    struct tg_str id;
    struct tg_str name;      /* unique within the domain alone */
    struct tg_str domain;    /* the user's own, its name; */
    struct tg_str domain_id; /* and its id */
    struct tg_str project;   /* the token is for: its name; all empty: for none */
    struct tg_str project_id;
    const struct tg_str *roles; /* names, within that project */
    unsigned nroles;
};

#endif
