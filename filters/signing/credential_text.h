/*
 * The texts credentials come as: the JSON answer of the metadata service and of IAM (also as a
 * file), and the SDKs' INI file. Pure. What is wrong is told as a short word that holds nothing of
 * the text.
 */
#ifndef TG_SIGNING_CREDENTIAL_TEXT_H
#define TG_SIGNING_CREDENTIAL_TEXT_H

#include "signing/credential.h"

enum { TG_CREDENTIAL_TEXT = 65536 }; /* bytes of an answer or file; longer ones are refused */

/* What is said of an INI file or environment with an identity provider: the SDKs would take its ID
 * token before any key beside it, so the key is not what is meant. */
#define TG_CREDENTIAL_IS_IDTOKEN "names an identity provider, write \"source idtoken IDP FILE\""

/* Reads "2026-12-01T08:15:30Z" with any number of digits behind the second's point, as seconds
 * since 1970 UTC. False, and *seconds left alone, for anything else. */
bool tg_expiry_parse(struct tg_str text, int64_t *seconds);

/*
 * Reads {"credential": {"access", "secret", "securitytoken", "expires_at"}}. With `temporary` the
 * token and the expiry must be there; a permanent key needs neither. A key that ended before `now`
 * (seconds since 1970 UTC) is refused. Returns NULL and fills *out, or the word for what is wrong
 * (static).
 */
const char *tg_credential_read_json(struct tg_str text, bool temporary, int64_t now,
                                    struct tg_credential *out);

/*
 * Reads ak, sk, security_token and project_id of the section `section` of an INI file: lines
 * "name = value", "[section]", comments with "#" or ";" at the front; values are taken as they
 * stand. One with idp_id is refused. Returns NULL and fills *out, or the word for what is wrong
 * (static).
 */
const char *tg_credential_read_ini(struct tg_str text, struct tg_str section,
                                   struct tg_credential *out);

/* Copies parts of a key (token and project may be empty) into *out. Returns NULL, or the word for
 * what is missing, too long or not plain text (static). */
const char *tg_credential_fill(struct tg_str access_key, struct tg_str secret, struct tg_str token,
                               struct tg_str project_id, struct tg_credential *out);

#endif
