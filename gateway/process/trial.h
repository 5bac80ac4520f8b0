/*
 * What is tried in a child process before the master does it itself: reading a configuration, whose
 * modules may be half copied, opening files as the user that workers become, and asking for
 * keys as that user.
 */
#ifndef TG_PROCESS_TRIAL_H
#define TG_PROCESS_TRIAL_H

#include "settings/settings.h"

/*
 * tg_settings_read(), after a child has read the same files and lived: bytes that kill who reads
 * them do not kill the caller. What the caller reads are the bytes the child has read, by a digest
 * of the configuration and of all files it names, and by which files these are; when they change
 * meanwhile it begins again, also when the child did not like what it read, and gives up after a
 * few times. NULL after an error, which `problems` tells.
 */
struct tg_settings *tg_trial_read(const char *file, const char *prefix, struct tg_buf *problems);

/*
 * Opens the audit log, and what the keeper reads, as the user workers become, or stay, when the
 * caller is root. False, with a line for each in `problems`, when that user cannot.
 */
bool tg_trial_files(const struct tg_settings *s, struct tg_buf *problems);

/*
 * Asks the source of each credential once, as the user the keeper becomes, and appends what came of
 * it, a line each: access key and end, or what went wrong. False when one gives no key.
 */
bool tg_trial_credentials(const struct tg_settings *s, struct tg_buf *words);

#endif
