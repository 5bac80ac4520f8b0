/* `trainguard key`: the keys that clients sign with or send. */
#include "cli/key.h"

#include "base/chars.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void key_usage(void)
{
    fputs("Usage: trainguard key new [OPTION...] FILE\n"
          "       trainguard key list FILE\n"
          "       trainguard key disable FILE KEY...\n\n"
          "The keys of `client_keys { file FILE; }`. `new` adds a key to FILE, which is made when "
          "it\n"
          "is not there, and tells its secret once: on a terminal, else where --output says. The\n"
          "gateway takes changes at its next reload.\n\n"
          "  --principal NAME    whose key it is, as records and policies have it\n"
          "  --project ID        a project it may be used for; may stand several times\n"
          "  --not-after DAY     the last day it holds, YYYY-MM-DD\n"
          "  --local             a key that is sent as it is (`callers key`), not signed with\n"
          "  --output FILE       a new file for the secret (mode 0600), - for standard output\n"
          "  -h, --help          print this and exit\n\n"
          "Exit status: 0 done, 1 a file could not be read or written, 2 wrong usage.\n",
          stdout);
}

/* --- new --- */

struct new_options {
    struct tg_new_key key;
    const char *projects[TG_CLIENT_KEY_PROJECTS];
    const char *output;
};

/* Takes an option. Returns NULL, or what the option takes where its value is something else. */
static const char *key_take(struct new_options *o, int option, const char *value)
{
    int64_t day;
    bool good;

    switch (option) {
    case 'P':
        o->key.principal = value;
        good = tg_chars_are(tg_str_of(value), TG_CHAR_ID) && value[0] != '\0';
        return good ? NULL : "--principal takes letters, digits, \"-\", \".\" and \"_\"";
    case 'J':
        if (o->key.nprojects == TG_CLIENT_KEY_PROJECTS)
            return "--project stands too often";
        o->projects[o->key.nprojects++] = value;
        good = tg_chars_are(tg_str_of(value), TG_CHAR_NAME) && value[0] != '\0';
        return good ? NULL : "--project takes letters, digits, \"-\" and \"_\"";
    case 'N':
        o->key.not_after = value;
        good = tg_clock_day(tg_str_of(value), &day);
        return good ? NULL : "--not-after takes a day, YYYY-MM-DD";
    case 'L':
        o->key.local = true;
        return NULL;
    default:
        o->output = value;
        return NULL;
    }
}

static bool key_take_options(struct new_options *o, int argc, char **argv, bool *help)
{
    static const struct option names[] = {{"principal", required_argument, NULL, 'P'},
                                          {"project", required_argument, NULL, 'J'},
                                          {"not-after", required_argument, NULL, 'N'},
                                          {"local", no_argument, NULL, 'L'},
                                          {"output", required_argument, NULL, 'O'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    const char *wrong;
    int c;

    while ((c = tg_command_option("key new", argc, argv, ":h", names)) != -1) {
        if (c == 'h') {
            *help = true;
            continue;
        }
        wrong = c != '?' ? key_take(o, c, optarg) : NULL;
        if (wrong != NULL)
            tg_complain("trainguard key: %s, got \"%s\"", wrong, optarg);
        if (c == '?' || wrong != NULL)
            return false;
    }
    return true;
}

/* Where the secret goes: a file of our own, or standard output. */
static FILE *open_output(const char *output)
{
    FILE *file = NULL;
    int fd;

    if (output == NULL || strcmp(output, "-") == 0)
        return stdout;
    fd = open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        file = fdopen(fd, "w");
    if (file == NULL)
        tg_complain("trainguard key: %s: %s", output, strerror(errno));
    return file;
}

static bool key_tell(FILE *to, const struct tg_new_key *key)
{
    if (key->local)
        fprintf(to, "%s\n", key->secret);
    else
        fprintf(to, "AK=%s\nSK=%s\n", key->name, key->secret);
    return (to == stdout ? fflush(to) : fclose(to)) == 0;
}

/* The secret is told before the file knows the key: what nobody got must not hold. */
static int key_make(struct new_options *o, const char *path)
{
    FILE *to = open_output(o->output);
    bool done;

    if (to == NULL)
        return EXIT_FAILURE;
    o->key.projects = o->projects;
    tg_key_draw(&o->key);
    done = key_tell(to, &o->key);
    if (!done)
        tg_complain("trainguard key: the secret could not be written: %s", strerror(errno));
    done = done && tg_key_file_add(path, &o->key);
    if (done)
        tg_complain("trainguard key: %s is in %s; the gateway takes it at its next reload",
                    o->key.name, path);
    else if (to != stdout)
        unlink(o->output);
    tg_wipe(&o->key, sizeof(o->key));
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int key_new(int argc, char **argv)
{
    struct new_options o = {.output = NULL};
    bool help = false;

    if (!key_take_options(&o, argc, argv, &help))
        return tg_command_misused("key", NULL);
    if (help) {
        key_usage();
        return EXIT_SUCCESS;
    }
    if (o.key.principal == NULL || o.key.nprojects == 0)
        return tg_command_misused("key", "new needs --principal and at least one --project");
    if (optind + 1 != argc)
        return tg_command_misused("key", "new takes one FILE");
    /* what reads standard output otherwise (a log of a job) gets a secret only when that was said
     */
    if (o.output == NULL && !isatty(STDOUT_FILENO))
        return tg_command_misused("key", "standard output is no terminal, the secret would stand "
                                         "in whatever reads it: say --output FILE, or --output -");
    return key_make(&o, argv[optind]);
}

/* list and disable have no option but the one for help. False: what the command ends with. */
static bool take_no_options(const char *command, int argc, char **argv, int *status)
{
    static const struct option names[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int c = tg_command_option(command, argc, argv, ":h", names);

    if (c == -1)
        return true;
    if (c == 'h')
        key_usage();
    *status = c == 'h' ? EXIT_SUCCESS : tg_command_misused("key", NULL);
    return false;
}

/* --- list --- */

static void print_key(const struct tg_client_key *key, int64_t now)
{
    char when[TG_CLOCK_TEXT] = "-";
    const char *state = tg_client_key_holds(key, now) ? "holds"
                        : key->disabled               ? "disabled"
                                                      : "ended";

    if (key->not_after > 0)
        tg_clock_text((key->not_after - 1) * 1000000, when);
    printf("%.*s\t%s\t%.*s\t%.10s\t%s\t", TG_STR_ARG(key->access_key),
           key->secret.n > 0 ? "key" : "local_key", TG_STR_ARG(key->principal), when, state);
    for (unsigned i = 0; i < key->nprojects; i++)
        printf("%s%.*s", i > 0 ? " " : "", TG_STR_ARG(key->projects[i]));
    putchar('\n');
}

static int key_list(int argc, char **argv)
{
    struct tg_client_keys *keys;
    int status;

    if (!take_no_options("key list", argc, argv, &status))
        return status;
    if (optind + 1 != argc)
        return tg_command_misused("key", "list takes one FILE");
    keys = tg_key_file_load(argv[optind]);
    if (keys == NULL)
        return EXIT_FAILURE;
    puts("KEY\tKIND\tPRINCIPAL\tNOT AFTER\tSTATE\tPROJECTS");
    for (unsigned i = 0; i < tg_client_keys_count(keys); i++)
        print_key(tg_client_keys_at(keys, i), tg_clock_wall_now() / 1000000);
    tg_client_keys_end(keys);
    return EXIT_SUCCESS;
}

/* --- disable --- */

static int key_disable(int argc, char **argv)
{
    int status;

    if (!take_no_options("key disable", argc, argv, &status))
        return status;
    if (optind + 2 > argc)
        return tg_command_misused("key", "disable takes a FILE and at least one KEY");
    for (int i = optind + 1; i < argc; i++)
        if (!tg_key_file_disable(argv[optind], argv[i]))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

int tg_key_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        key_usage();
        return EXIT_SUCCESS;
    }
    if (strcmp(word, "new") == 0)
        return key_new(argc - 1, argv + 1);
    if (strcmp(word, "list") == 0)
        return key_list(argc - 1, argv + 1);
    if (strcmp(word, "disable") == 0)
        return key_disable(argc - 1, argv + 1);
    return tg_command_misused("key", "say new, list or disable");
}
