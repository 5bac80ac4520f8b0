/*
 * The commands of the command line: `trainguard NAME ...`. Each gets its own arguments, argv[0]
 * being its name, prints its own usage, and returns the exit status.
 */
#ifndef TG_COMMANDS_H
#define TG_COMMANDS_H

/* `trainguard audit verify|show|summary`: 0 fine, 1 a problem was found, 2 could not read. */
int tg_audit_main(int argc, char **argv);

#endif
