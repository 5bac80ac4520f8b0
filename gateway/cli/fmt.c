/* `trainguard fmt`: bodies as the gateway would send them on, unless they are refused. */
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/eval.h"
#include "cli/eval_output.h"
#include "cli/excerpt.h"
#include "cli/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void fmt_usage(void)
{
    fputs("Usage: trainguard fmt [OPTION...] BODY...\n\n"
          "Prints the normalized body: the changes the gateway would make, every other byte as it\n"
          "is. A BODY is a file, a folder (all its *.json), or - for standard input.\n\n" //
          TG_EVAL_OPTIONS_HELP
          "  --patch             print the changes as an RFC 6902 patch, one line for each body\n"
          "  --check             print the names of the files that need changes; exit 1 if any\n"
          "  --in-place          write the files that need changes anew\n"
          "  -h, --help          print this and exit\n\n"
          "Exit status: 0 done, 1 a body cannot be normalized (or --check found one), 2 a file "
          "could\n"
          "not be read or written, or wrong usage.\n",
          stdout);
}

enum mode { PRINT = 1, PATCH, CHECK_ONLY, IN_PLACE };

struct fmt {
    uint32_t magic; /* FMT_MAGIC */
    struct tg_eval_options options;
    enum mode mode;
    unsigned modes; /* how many were asked for */
    struct tg_evaluator *evaluator;
    struct tg_buf out;
    bool denied; /* or --check found one */
    bool failed;
};

#define FMT_MAGIC 0x464d5431U

/* --- files written anew --- */

static void rewrite(struct fmt *fmt, const char *file, struct tg_str text)
{
    char *path = realpath(file, NULL); /* a link stays a link */

    if (path == NULL || !tg_file_replace(path, text)) {
        tg_complain("trainguard: %s: cannot be written: %s", file, strerror(errno));
        fmt->failed = true;
    }
    free(path);
}

/* --- one body --- */

static void fmt_finish(struct fmt *fmt, const struct tg_evaluation *v)
{
    CHECK(v->result == TG_EVAL_PASS || v->result == TG_EVAL_WARN);
    switch (fmt->mode) {
    case PRINT:
        tg_buf_add(&fmt->out, v->forwarded);
        break;
    case PATCH:
        if (v->request.doc != NULL)
            tg_doc_patch(v->request.doc, NULL, &fmt->out);
        else
            tg_buf_puts(&fmt->out, "[]"); /* no filter that reads it: nothing is changed */
        tg_buf_putc(&fmt->out, '\n');
        break;
    case CHECK_ONLY:
        fmt->denied = fmt->denied || v->changes != NULL;
        if (v->changes != NULL) {
            tg_excerpt_clean(&fmt->out, tg_str_of(v->file));
            tg_buf_putc(&fmt->out, '\n');
        }
        break;
    case IN_PLACE:
        if (v->changes != NULL)
            rewrite(fmt, v->file, v->forwarded);
        break;
    }
    tg_eval_flush(&fmt->out);
}

/* What stands in the way is told as `eval` tells it, on standard error. */
static void tell_trouble(struct fmt *fmt, const struct tg_evaluation *v)
{
    struct tg_buf text = {0};

    CHECK(v->result == TG_EVAL_DENY || v->result == TG_EVAL_ERROR);
    tg_eval_text_findings(&text, false, v);
    if (v->why.n > 0)
        tg_eval_text_error(&text, false, v->file, v->why);
    fwrite(text.p, 1, text.n, stderr);
    tg_buf_end(&text);
    if (v->result == TG_EVAL_ERROR)
        fmt->failed = true;
    else
        fmt->denied = true;
}

static void fmt_on_input(void *context, const struct tg_input *input)
{
    struct fmt *fmt = context;
    const struct tg_evaluation *v;

    CHECK_MAGIC(fmt, FMT_MAGIC);
    v = input->error != NULL ? tg_eval_unread(fmt->evaluator, input->file, input->error)
                             : tg_eval_body(fmt->evaluator, input->file, input->body);
    if (v->result == TG_EVAL_PASS || v->result == TG_EVAL_WARN)
        fmt_finish(fmt, v);
    else
        tell_trouble(fmt, v);
}

/* --- the command --- */

static int format(struct fmt *fmt, char **bodies, int n)
{
    CHECK(n > 0 && fmt->mode >= PRINT && fmt->mode <= IN_PLACE);
    fmt->evaluator = tg_eval_start(&fmt->options, true);
    if (fmt->evaluator == NULL)
        return TG_EXIT_CANNOT;
    tg_inputs_each(bodies, n, fmt_on_input, fmt);
    tg_evaluator_end(fmt->evaluator);
    tg_buf_end(&fmt->out);
    if (fmt->failed)
        return TG_EXIT_CANNOT;
    return fmt->denied ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool fmt_take_options(struct fmt *fmt, int argc, char **argv, bool *help)
{
    static const struct option names[] = {TG_EVAL_LONG_OPTIONS,
                                          {"patch", no_argument, NULL, PATCH},
                                          {"check", no_argument, NULL, CHECK_ONLY},
                                          {"in-place", no_argument, NULL, IN_PLACE},
                                          {0}};
    int c;

    while ((c = tg_command_option("fmt", argc, argv, ":c:h", names)) != -1) {
        if (c == 'h') {
            *help = true;
        } else if (c == PATCH || c == CHECK_ONLY || c == IN_PLACE) {
            fmt->mode = (enum mode)c;
            fmt->modes++;
        } else if (!tg_eval_take_option(&fmt->options, c, optarg)) {
            return false;
        }
    }
    return true;
}

/* Standard input has no place to be written to. */
static bool may_write(char *const *bodies, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(bodies[i], "-") == 0) {
            fputs("trainguard: --in-place takes files, not standard input\n", stderr);
            return false;
        }
    return true;
}

int tg_fmt_main(int argc, char **argv)
{
    struct fmt fmt = {.magic = FMT_MAGIC, .mode = PRINT};
    bool help = false;

    if (!fmt_take_options(&fmt, argc, argv, &help))
        return tg_command_misused("fmt", NULL);
    if (help) {
        fmt_usage();
        return EXIT_SUCCESS;
    }
    if (fmt.modes > 1)
        return tg_command_misused("fmt", "--patch, --check and --in-place exclude each other");
    if (optind == argc)
        return tg_command_misused("fmt", "no BODY given");
    if (fmt.mode == IN_PLACE && !may_write(argv + optind, argc - optind))
        return TG_EXIT_CANNOT;
    return format(&fmt, argv + optind, argc - optind);
}
