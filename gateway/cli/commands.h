/*
 * The commands of the command line: `trainguard NAME ...`. Each gets its own arguments, argv[0]
 * being its name, prints its own usage, and returns the exit status.
 */
#ifndef TG_CLI_COMMANDS_H
#define TG_CLI_COMMANDS_H

#include <getopt.h>

/* Says on standard error that a command was not called as it must be, why (NULL: has been said),
 * and where to read on. Returns the exit status of wrong usage, 2. */
int tg_command_misused(const char *command, const char *why);

/* getopt_long(), which says itself what is wrong with an option before it returns '?': `letters`
 * begin with ':' (or "+:"). `command` is NULL before one is known. */
int tg_command_option(const char *command, int argc, char **argv, const char *letters,
                      const struct option *names);

/* What a command ends with whose exit status is `status`: 2, and the reason on standard error, when
 * standard output did not take all that was printed. */
int tg_command_end(int status);

/* `trainguard audit verify|show|summary|history`: 0 fine, 1 a problem was found, 2 could not read.
 */
int tg_audit_main(int argc, char **argv);

/* `trainguard catalogue fetch`: 0 done, 1 the service did not tell, 2 wrong usage. */
int tg_catalogue_main(int argc, char **argv);

/* `trainguard eval BODY...`: 0 pass, 1 denied, 2 could not evaluate, 3 warnings (--fail-on-warn).
 */
int tg_eval_main(int argc, char **argv);

/* `trainguard explain [NAME...]`: 0 fine, 2 a name is not known. */
int tg_explain_main(int argc, char **argv);

/* `trainguard fmt BODY...`: 0 done, 1 refused (or --check found changes), 2 could not read. */
int tg_fmt_main(int argc, char **argv);

/* `trainguard key new|list|disable`: 0 done, 1 the file could not be read or written, 2 usage. */
int tg_key_main(int argc, char **argv);

/* `trainguard policy sign|verify`: 0 done, 1 a signature does not hold, or a file cannot be read or
 * written, 2 usage. */
int tg_policy_main(int argc, char **argv);

/* `trainguard sign --explain`: 0 the signature holds, 1 it does not, 2 it could not be read. */
int tg_sign_main(int argc, char **argv);

/* `trainguard replay --policy GLOB AUDIT...`: 0 nothing newly denied, 1 something, 2 unreadable. */
int tg_replay_main(int argc, char **argv);

/* `trainguard test FOLDER`: 0 all cases hold, 1 some do not, 2 the files cannot be used. */
int tg_test_main(int argc, char **argv);

#endif
