/*
 * OBS paths, "/bucket/object" or "/bucket/directory/" (contract section 4). `validate` and the
 * policy language judge them by the same function: a prefix of a path that passes it cannot be
 * escaped by "..", "//" or an odd bucket.
 */
#ifndef TG_CONTRACT_OBS_PATH_H
#define TG_CONTRACT_OBS_PATH_H

#include "base/str.h"

enum { TG_OBS_MAX_KEY = 1023 }; /* bytes behind "/bucket/" */

/* Why a path is none, as a whole sentence. */
struct tg_obs_fault {
    const char *text;
    const char *text_zh;
};

/* Checks the form of a path (valid UTF-8). Returns NULL when it is well formed, else what is wrong
 * with it first. Static. */
const struct tg_obs_fault *tg_obs_path_check(struct tg_str path);

/* What stands behind "/bucket/" in a well formed path; empty for "/bucket" and "/bucket/". */
struct tg_str tg_obs_path_key(struct tg_str path);

#endif
