/* References to container images. */
#ifndef TG_CONTRACT_IMAGE_REF_H
#define TG_CONTRACT_IMAGE_REF_H

#include "base/str.h"

/* True for [host[:port]/]path[:tag][@sha256:hex], as registries take it: lower case path components
 * of letters, digits and marks, a tag of at most 128 characters. */
bool tg_image_ref_is(struct tg_str s);

#endif
