/* What `eval` and `fmt` have in common: the options that say what bodies are judged with. */
#ifndef TG_CLI_EVAL_H
#define TG_CLI_EVAL_H

#include "cli/evaluator.h"

#include <getopt.h>

enum {
    TG_EXIT_CANNOT = 2, /* something could not be evaluated, or the command line is wrong */
    TG_EXIT_WARNED = 3  /* passed with warnings, with --fail-on-warn */
};

/* Rows of a getopt table; -c has no long name. */
#define TG_EVAL_LONG_OPTIONS                                                                       \
    {"policy", required_argument, NULL, 'P'}, {"project", required_argument, NULL, 'J'},           \
        {"name", required_argument, NULL, 'N'}, {"level", required_argument, NULL, 'L'},           \
        {"location", required_argument, NULL, 'O'},                                                \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }

/* Their lines in a usage text. */
#define TG_EVAL_OPTIONS_HELP                                                                       \
    "  -c FILE             judge by the location of this configuration; without it by the API's\n" \
    "                      contract alone\n"                                                       \
    "  --location TEXT     the request a body belongs to, as a location writes it:\n"              \
    "                      'POST /v1/{project_id}/training-jobs' (default: the PUT of a config)\n" \
    "  --policy GLOB       policy files to judge by instead of the configured ones\n"              \
    "  --project ID        project_id of the request\n"                                            \
    "  --name NAME         config_name of the request (default: the body's own, else the "         \
    "file's)\n"

/* Takes one of these options; false for any other. */
bool tg_eval_take_option(struct tg_eval_options *o, int option, const char *value);

/* Makes the evaluator; prints what is wrong and returns NULL when it cannot. */
struct tg_evaluator *tg_eval_start(const struct tg_eval_options *o, bool only_changes);

/* Writes a buffer to standard output and empties it. Whether that went well is looked at when the
 * command has ended. */
void tg_eval_flush(struct tg_buf *out);

#endif
