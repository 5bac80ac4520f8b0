/* `trainguard eval`: bodies through the whole chain, on the command line. */
#include "cli/eval.h"

#include "base/chars.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/eval_output.h"
#include "cli/inputs.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLUSH_AT = 256 << 10 };

static const struct tg_eval_format *const formats[] = {
    &tg_eval_text, &tg_eval_json, &tg_eval_github, &tg_eval_sarif, &tg_eval_junit,
};

static void eval_usage(void)
{
    fputs(
        "Usage: trainguard eval [OPTION...] BODY...\n\n"
        "Judges bodies of PUT /v1/{project_id}/training-job-configs/{config_name}, or of another\n"
        "--location, as the gateway does. A BODY is a file, a folder (all its *.json), or - for "
        "standard input.\n\n" //
        TG_EVAL_OPTIONS_HELP "  --level LEVEL       lax, documented or strict\n"
        "  --catalogue FILE    what the project can choose from, of `trainguard catalogue fetch`\n"
        "  --old FILE          the config that stands there, as a GET answers; null: none does\n"
        "  --user FILE         who asks, as the identity service says of a token\n"
        "  --output FORMAT     text (default), json, github, sarif or junit\n"
        "  --signed            as if a client had signed the request with AK and SK\n"
        "  --trace             say on standard error how each body is judged: its location, each\n"
        "                      filter's verdict and time, each rule's result\n"
        "  --fail-on-warn      exit 3 when a body passes with warnings\n"
        "  -h, --help          print this and exit\n\n"
        "Exit status: 0 pass, 1 denied, 2 a body could not be evaluated, or wrong usage, 3 see\n"
        "--fail-on-warn.\n",
        stdout);
}

/* --- shared with fmt --- */

static bool take_name(const char **out, const char *option, const char *value)
{
    *out = value;
    if (tg_eval_is_name(tg_str_of(value)))
        return true;
    tg_complain("trainguard: --%s takes 1 to 64 letters, digits, - and _", option);
    *out = NULL;
    return false;
}

/* "METHOD PATH". */
static bool take_location(struct tg_eval_options *o, const char *value)
{
    struct tg_str text = tg_str_of(value);
    size_t n = tg_chars_span(text, TG_CHAR_TOKEN);

    o->location = value;
    if (n > 0 && n + 1 < text.n && text.p[n] == ' ' && text.p[n + 1] == '/')
        return true;
    fputs("trainguard: --location takes \"METHOD /PATH\"\n", stderr);
    return false;
}

bool tg_eval_take_option(struct tg_eval_options *o, int option, const char *value)
{
    switch (option) {
    case 'c':
        o->conf = value;
        return true;
    case 'P':
        o->policy = value;
        return true;
    case 'J':
        return take_name(&o->project, "project", value);
    case 'N':
        return take_name(&o->name, "name", value);
    case 'O':
        return take_location(o, value);
    case 'L':
        o->level = value;
        return true;
    default:
        return false;
    }
}

struct tg_evaluator *tg_eval_start(const struct tg_eval_options *o, bool only_changes)
{
    struct tg_buf problems = {0};
    struct tg_evaluator *e;

    setlocale(LC_CTYPE, "C.UTF-8"); /* for the widths of characters; nothing else changes */
    e = tg_evaluator_new(o, only_changes, &problems);
    tg_settings_print(&problems);
    tg_buf_end(&problems);
    return e;
}

void tg_eval_flush(struct tg_buf *out)
{
    (void)!fwrite(out->p, 1, out->n, stdout); /* main() looks whether it went well */
    out->n = 0;
}

/* --- the run --- */

struct eval {
    uint32_t magic; /* EVAL_MAGIC */
    struct tg_eval_options options;
    const struct tg_eval_format *format;
    struct tg_evaluator *evaluator;
    struct tg_trace trace;
    const char *file; /* of the body at hand */
    struct tg_eval_run run;
};

#define EVAL_MAGIC 0x4556414cU

static void eval_count(struct tg_eval_run *run, const struct tg_evaluation *v)
{
    CHECK(v->result >= TG_EVAL_PASS && v->result <= TG_EVAL_ERROR);
    run->bodies++;
    run->count[v->result]++;
    run->violations += v->request.report.violations;
    run->warnings += v->request.report.warnings;
    for (const struct tg_change *c = v->changes; c != NULL; c = c->next)
        run->changes++;
}

/* Whatever the format, a person is told what was not judged. */
static void tell_error(const char *file, struct tg_str why)
{
    struct tg_buf line = {0};

    tg_eval_text_error(&line, false, file, why);
    tg_complain("trainguard: %.*s", (int)line.n - 1, line.p);
    tg_buf_end(&line);
}

static void print_trace(void *context, const struct tg_request *r, struct tg_str text)
{
    const struct eval *eval = context;

    (void)r;
    CHECK_MAGIC(eval, EVAL_MAGIC);
    tg_complain("%s: %.*s", eval->file, TG_STR_ARG(text));
}

/* Writes what there is but for its last byte: by it base/json_writer.h sees whether a comma is due.
 */
static void flush_most(struct tg_buf *out)
{
    char last = out->p[--out->n];

    tg_eval_flush(out);
    tg_buf_putc(out, last);
}

static void eval_on_input(void *context, const struct tg_input *input)
{
    struct eval *eval = context;
    const struct tg_evaluation *v;
    uint64_t started = tg_clock_mono_now();

    CHECK_MAGIC(eval, EVAL_MAGIC);
    eval->file = input->file;
    v = input->error != NULL ? tg_eval_unread(eval->evaluator, input->file, input->error)
                             : tg_eval_body(eval->evaluator, input->file, input->body);
    CHECK(v->file == input->file);
    eval->run.took_us = tg_clock_mono_now() - started;
    eval->run.total_us += eval->run.took_us;
    eval_count(&eval->run, v);
    eval->format->each(&eval->run, v);
    if (v->result == TG_EVAL_ERROR && v->why.n > 0)
        tell_error(v->file, v->why);
    if (eval->run.out.n >= FLUSH_AT)
        flush_most(&eval->run.out);
}

static int status_of(const struct eval *eval)
{
    const unsigned *n = eval->run.count;

    CHECK(n[TG_EVAL_PASS] + n[TG_EVAL_WARN] + n[TG_EVAL_DENY] + n[TG_EVAL_ERROR] ==
          eval->run.bodies);
    if (n[TG_EVAL_ERROR] > 0)
        return TG_EXIT_CANNOT;
    if (n[TG_EVAL_DENY] > 0)
        return EXIT_FAILURE;
    return n[TG_EVAL_WARN] > 0 && eval->run.fail_on_warn ? TG_EXIT_WARNED : EXIT_SUCCESS;
}

static int evaluate(struct eval *eval, char **bodies, int n)
{
    struct tg_eval_run *run = &eval->run;

    CHECK(n > 0 && eval->format != NULL);
    eval->evaluator = tg_eval_start(&eval->options, false);
    if (eval->evaluator == NULL)
        return TG_EXIT_CANNOT;
    if (eval->format->begin != NULL)
        eval->format->begin(run);
    tg_inputs_each(bodies, n, eval_on_input, eval);
    if (eval->format->end != NULL)
        eval->format->end(run);
    tg_eval_flush(&run->out);
    tg_evaluator_end(eval->evaluator);
    tg_buf_end(&run->out);
    tg_buf_end(&run->last);
    tg_buf_end(&run->rules);
    return status_of(eval);
}

/* --- options --- */

/* Colours where they are seen and wanted (https://no-color.org). */
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static const struct tg_eval_format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    tg_complain("trainguard: --output takes text, json, github, sarif or junit, got \"%s\"", name);
    return NULL;
}

/* Takes the options; false when they are wrong. */
static bool eval_take_options(struct eval *eval, int argc, char **argv, bool *help)
{
    static const struct option names[] = {TG_EVAL_LONG_OPTIONS,
                                          {"output", required_argument, NULL, 'o'},
                                          {"fail-on-warn", no_argument, NULL, 'w'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"catalogue", required_argument, NULL, 'C'},
                                          {"old", required_argument, NULL, 'B'},
                                          {"user", required_argument, NULL, 'U'},
                                          {"signed", no_argument, NULL, 's'},
                                          {0}};
    int c;

    while ((c = tg_command_option("eval", argc, argv, ":c:h", names)) != -1) {
        if (c == 'h')
            *help = true;
        else if (c == 'w')
            eval->run.fail_on_warn = true;
        else if (c == 's')
            eval->options.is_signed = true;
        else if (c == 't')
            eval->options.trace = &eval->trace;
        else if (c == 'C')
            eval->options.catalogue = optarg;
        else if (c == 'B')
            eval->options.old = optarg;
        else if (c == 'U')
            eval->options.user = optarg;
        else if (c == 'o')
            eval->format = find_format(optarg);
        else if (!tg_eval_take_option(&eval->options, c, optarg))
            return false;
        if (eval->format == NULL)
            return false;
    }
    return true;
}

int tg_eval_main(int argc, char **argv)
{
    struct eval eval = {.magic = EVAL_MAGIC, .format = &tg_eval_text};
    bool help = false;

    if (!eval_take_options(&eval, argc, argv, &help))
        return tg_command_misused("eval", NULL);
    if (help) {
        eval_usage();
        return EXIT_SUCCESS;
    }
    if (optind == argc)
        return tg_command_misused("eval", "no BODY given");
    eval.trace = (struct tg_trace){print_trace, &eval};
    eval.run.colour = eval.format == &tg_eval_text && wants_colour();
    return evaluate(&eval, argv + optind, argc - optind);
}
