/* The command line: the server's options as nginx has them, and the commands that need no server.
 */
#include "base/log.h"
#include "cli/commands.h"
#include "keeper/http_client.h"
#include "net/loop.h"
#include "net/name_server.h"
#include "net/tls.h"
#include "policy/pattern.h"
#include "process/control.h"
#include "process/inherited.h"
#include "process/master.h"
#include "process/trial.h"
#include "table.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef TG_DEFAULT_CONF
#ifdef __clang__ /* whose version has its name */
#define TG_COMPILER __VERSION__
#else
#define TG_COMPILER "GCC " __VERSION__
#endif

#define TG_DEFAULT_CONF "/etc/trainguard/trainguard.conf"
#endif

enum { EXIT_USAGE = 2 };

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"audit", tg_audit_main, "verify, show and sum up audit logs"},
    {"catalogue", tg_catalogue_main, "fetch what a project can choose from"},
    {"eval", tg_eval_main, "judge bodies as the gateway does"},
    {"explain", tg_explain_main, "what a rule or an error code means and how to mend it"},
    {"fmt", tg_fmt_main, "print, check or write normalized bodies"},
    {"key", tg_key_main, "make, list and disable keys that clients sign with"},
    {"policy", tg_policy_main, "sign folders of policies, and check signatures"},
    {"replay", tg_replay_main, "judge recorded requests by other policies"},
    {"sign", tg_sign_main, "explain what a signature covers and why it does not hold"},
    {"test", tg_test_main, "run the tests of policies"},
};

struct options {
    const char *file;
    const char *prefix;
    const char *signal; /* -s */
    char **argv;
    bool test;
    bool online;
    bool dump;
};

static void usage(void)
{
    fputs("Usage: trainguard [-c FILE] [-p PREFIX] [-t [--online] | -T | -s SIGNAL]\n"
          "       trainguard COMMAND ...\n\n"
          "A guarding gateway for the ModelArts API.\n\n"
          "  -c FILE      configuration (default " TG_DEFAULT_CONF ")\n"
          "  -p PREFIX    where relative file names start (default: the configuration's folder)\n"
          "  -t           test the configuration and exit\n"
          "  --online     with -t: ask the sources of the gateway's own keys once, too\n"
          "  -T           test it, print it with secrets masked, and exit\n"
          "  -s SIGNAL    stop, quit, reload or reopen the gateway of this configuration; reload\n"
          "               waits for the outcome and fails with it\n"
          "  -v, --version\n"
          "               print the version and exit\n"
          "  -V           print version, compiler and the libraries that run, and exit\n"
          "  --reference  print the reference of all directives as Markdown and exit\n"
          "  -h, --help   print this and exit\n\n"
          "Commands:\n",
          stdout);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        printf("  %-10s   %s\n", commands[i].name, commands[i].help);
    fputs(
        "\nSignals: HUP reload, QUIT end gracefully, TERM and INT end at once (as process 1 TERM\n"
        "is QUIT), USR1 reopen logs, USR2 run the new program, WINCH end the workers.\n\n"
        "Exit status: 0 done, 1 not done, 2 wrong usage.\n",
        stdout);
}

static int print_and_end(struct tg_buf *text)
{
    (void)!fwrite(text->p, 1, text->n, stdout);
    tg_buf_end(text);
    return EXIT_SUCCESS;
}

static int print_reference(void)
{
    struct tg_buf text = {0};

    tg_settings_reference(&text);
    return print_and_end(&text);
}

static int print_version(bool long_form)
{
    char pcre2[TG_PATTERN_VERSION];

    printf("trainguard %s\n", TG_VERSION);
    if (!long_form)
        return EXIT_SUCCESS;
    tg_pattern_pcre2(pcre2);
    printf("built with %s\nlibevent %s\nOpenSSL %s\nPCRE2 %s\nc-ares %s\nlibcurl %s\n"
           "libevhtp, libseccomp and jsmn do not tell\n",
           TG_COMPILER, tg_loop_libevent(), tg_tls_openssl(), pcre2, tg_name_server_library(),
           tg_http_client_library());
    return EXIT_SUCCESS;
}

static char *with_slash(const char *prefix)
{
    size_t n = strlen(prefix);
    char *out = NULL;

    if (asprintf(&out, "%s%s", prefix, n > 0 && prefix[n - 1] == '/' ? "" : "/") < 0)
        abort();
    return out;
}

/* What a start would try, too, once the configuration is read. */
static struct tg_settings *tried(struct tg_settings *settings, bool online)
{
    struct tg_buf problems = {0};
    bool good = settings != NULL && tg_trial_files(settings, &problems) &&
                (!online || tg_trial_credentials(settings, &problems));

    tg_settings_print(&problems);
    tg_buf_end(&problems);
    if (good)
        return settings;
    tg_settings_end(settings);
    return NULL;
}

/* -t and -T: says what the load came to. */
static int tell(const struct options *o, struct tg_settings *settings)
{
    struct tg_buf text = {0};

    tg_complain("trainguard: configuration file %s test %s", o->file,
                settings != NULL ? "is successful" : "failed");
    if (settings == NULL)
        return EXIT_FAILURE;
    if (o->dump)
        tg_settings_dump(settings, &text);
    tg_settings_end(settings);
    return print_and_end(&text);
}

static int serve(const struct options *o, const char *prefix)
{
    struct tg_settings *settings = tg_settings_load(o->file, prefix);

    if (o->test || o->dump)
        return tell(o, tried(settings, o->online));
    tg_inherited_signals();
    return settings != NULL ? tg_master_run(settings, o->file, prefix, o->argv) : EXIT_FAILURE;
}

static int run(const struct options *o)
{
    char *prefix = o->prefix != NULL ? with_slash(o->prefix) : tg_settings_folder(o->file);
    int status = o->signal != NULL ? tg_control_send(o->file, prefix, o->signal) : serve(o, prefix);

    free(prefix);
    return status;
}

/* What is wrong has been said. */
static int misused(void)
{
    fputs("`trainguard --help` tells how it is used\n", stderr);
    return EXIT_USAGE;
}

static int misused_online(void)
{
    fputs("trainguard: --online belongs to -t\n", stderr);
    return misused();
}

static int unknown_command(const char *word)
{
    const char *names[sizeof(commands) / sizeof(*commands) + 1] = {NULL};
    const char *nearest;

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        names[i] = commands[i].name;
    nearest = tg_conf_nearest(tg_str_of(word), names);
    if (nearest != NULL)
        tg_complain("trainguard: unknown command \"%s\", did you mean \"%s\"?", word, nearest);
    else
        tg_complain("trainguard: unknown command \"%s\"", word);
    return misused();
}

/* NULL: none of that name. */
static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* `trainguard help`, `trainguard help COMMAND`. */
static int help(char **words)
{
    static char option[] = "--help";
    const struct command *command;

    if (words[0] == NULL) {
        usage();
        return EXIT_SUCCESS;
    }
    command = find_command(words[0]);
    if (command == NULL)
        return unknown_command(words[0]);
    return command->run(2, (char *[]){words[0], option, NULL});
}

static int start(int argc, char **argv)
{
    static const struct option names[] = {{"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"reference", no_argument, NULL, 'R'},
                                          {"online", no_argument, NULL, 'O'},
                                          {0}};
    struct options o = {.file = TG_DEFAULT_CONF, .argv = argv};
    const struct command *command;
    int c;

    if (!tg_inherited_descriptors()) {
        tg_complain("trainguard: /dev/null: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    tg_inherited_environment();
    tg_filter_register(tg_builtin_filters);
    if (argc > 1 && strcmp(argv[1], "help") == 0)
        return help(argv + 2);
    command = find_command(argc > 1 ? argv[1] : "");
    if (command != NULL)
        return command->run(argc - 1, argv + 1);
    while ((c = tg_command_option(NULL, argc, argv, "+:c:p:s:tTvVh", names)) != -1) {
        switch (c) {
        case 'c':
            o.file = optarg;
            break;
        case 'p':
            o.prefix = optarg;
            break;
        case 's':
            o.signal = optarg;
            break;
        case 't':
            o.test = true;
            break;
        case 'T':
            o.dump = true;
            break;
        case 'v':
        case 'V':
            return print_version(c == 'V');
        case 'O':
            o.online = true;
            break;
        case 'R':
            return print_reference();
        case 'h':
            usage();
            return EXIT_SUCCESS;
        default:
            return misused();
        }
    }
    if (optind < argc)
        return unknown_command(argv[optind]);
    if (o.online && !o.test)
        return misused_online();
    return run(&o);
}

int main(int argc, char **argv)
{
    return tg_command_end(start(argc, argv));
}
