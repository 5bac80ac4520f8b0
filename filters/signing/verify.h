/*
 * The two ways in which `verify` knows a caller. Each returns TG_NEXT with the caller's name in
 * r->principal and how it is known in r->auth_kind, or refuses; nothing but the request changes.
 */
#ifndef TG_SIGNING_VERIFY_H
#define TG_SIGNING_VERIFY_H

#include "signing/check.h"

/* A request with a signature, whole (signed.c). */
enum tg_verdict tg_check_signed(struct tg_check *c);

/* One without (callers.c). */
enum tg_verdict tg_check_caller(struct tg_check *c);

#endif
