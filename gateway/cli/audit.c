/* `trainguard audit`: options, and which command they are for. */
#include "cli/audit.h"

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "shm/stats.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_NUMBER = 1000000 }; /* of --tail and --top */

static const char usage_text[] =
    "Usage: trainguard audit verify  [--key-file FILE...] [--closed] [--stored] [--heads FILE]\n"
    "                                FILE...\n"
    "       trainguard audit show    [FILTER...] [--output text|json|csv] [--tail N] [--follow]\n"
    "                                FILE...\n"
    "       trainguard audit summary [FILTER...] [--output text|json|csv] [--top N] FILE...\n"
    "       trainguard audit columns [FILTER...] FILE...\n"
    "       trainguard audit history --config NAME [FILTER...] [--output text|json] FILE...\n"
    "\n"
    "history prints what became of one config: each change that the service took, who made it,\n"
    "what it changed (records with `diff`) and what the config was then (records with a body).\n"
    "\n"
    "columns prints every line as tab-separated columns, the line itself last: for the table of\n"
    "conf/deploy/clickhouse.\n"
    "\n"
    "verify finds removed, changed, moved, inserted and truncated lines. FILE... are the files\n"
    "of a log, rotated ones in any order, plain or packed by gzip; - is standard input. Streams\n"
    "of many gateways may be mixed. Lines that do not begin with { are none of the log: they\n"
    "are counted and skipped.\n"
    "\n"
    "  --key-file FILE   a key of audit_key_file; may be repeated, each stream names its own\n"
    "  --closed          a stream without a stop record is a problem\n"
    "  --stored          the lines were stored and sorted elsewhere: their order does not count,\n"
    "                    nor does the same line twice\n"
    "  --heads FILE      answers of GET /audit/heads from before: a stream that ends earlier was "
    "cut\n"
    "\n"
    "Filters, all of which a record must pass:\n"
    "  --decision WORD   allow, warn, deny, invalid, error\n"
    "  --project ID      --config NAME      --principal TEXT      --rule NAME\n"
    "  --id REQUEST-ID   --method METHOD    --path PATH           --client ADDRESS\n"
    "  --status CODE     --end WORD\n"
    "  --since TIME      at or after it: 2026-01-31, 2026-01-31T12:00 (UTC),\n"
    "                    2026-01-31T20:00+08:00, or 90m, 12h, 7d, 4w ago\n"
    "  --until TIME      before it\n"
    "\n"
    "  --output FORMAT   text (default), json, csv\n"
    "  --tail N          only the last N records\n"
    "  --follow          wait for more records, across rotations; what was there before only\n"
    "                    with --tail\n"
    "  --top N           only the N largest rows of each table\n"
    "  --no-color        colour is used on a terminal unless NO_COLOR is set\n"
    "\n"
    "Exit status: 0 fine, 1 a problem was found, 2 a file could not be read, or wrong usage.\n";

static const struct {
    const char *name;
    int (*run)(const struct tg_audit_options *options, char **files, int nfiles);
    const char *options; /* those of the table below that it knows */
} commands[] = {
    {"verify", tg_audit_verify, "kxSH"},
    {"show", tg_audit_show, "dpcarsuofnimPCeEt"},
    {"summary", tg_audit_summary, "dpcarsuoimPCeET"},
    {"columns", tg_audit_columns, "dpcarsuimPCeE"},
    {"history", tg_audit_history, "pcasuoimC"},
};

static const struct option names[] = {
    {"decision", required_argument, NULL, 'd'}, {"project", required_argument, NULL, 'p'},
    {"config", required_argument, NULL, 'c'},   {"principal", required_argument, NULL, 'a'},
    {"rule", required_argument, NULL, 'r'},     {"since", required_argument, NULL, 's'},
    {"until", required_argument, NULL, 'u'},    {"output", required_argument, NULL, 'o'},
    {"follow", no_argument, NULL, 'f'},         {"no-color", no_argument, NULL, 'n'},
    {"key-file", required_argument, NULL, 'k'}, {"closed", no_argument, NULL, 'x'},
    {"id", required_argument, NULL, 'i'},       {"method", required_argument, NULL, 'm'},
    {"path", required_argument, NULL, 'P'},     {"client", required_argument, NULL, 'C'},
    {"status", required_argument, NULL, 'e'},   {"end", required_argument, NULL, 'E'},
    {"tail", required_argument, NULL, 't'},     {"top", required_argument, NULL, 'T'},
    {"stored", no_argument, NULL, 'S'},         {"heads", required_argument, NULL, 'H'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static bool set_output(struct tg_audit_options *o, const char *word)
{
    static const char *const words[] = {
        [TG_AUDIT_TEXT] = "text", [TG_AUDIT_JSON] = "json", [TG_AUDIT_CSV] = "csv"};

    for (int i = TG_AUDIT_TEXT; i <= TG_AUDIT_CSV; i++)
        if (strcmp(words[i], word) == 0) {
            o->output = (enum tg_audit_output)i;
            return true;
        }
    tg_complain("trainguard audit: --output takes text, json or csv, got \"%s\"", word);
    return false;
}

static bool set_decision(struct tg_audit_filter *f, const char *word)
{
    f->decision = tg_str_of(word);
    for (size_t i = 0; i < TG_DECISIONS; i++)
        if (strcmp(tg_decision_words[i], word) == 0)
            return true;
    tg_complain("trainguard audit: no record has the decision \"%s\"", word);
    return false;
}

static bool set_bound(struct tg_audit_bound *b, const char *text)
{
    if (tg_audit_bound(b, tg_str_of(text)))
        return true;
    tg_complain("trainguard audit: \"%s\" is no time", text);
    return false;
}

static bool set_number(uint64_t *number, const char *text)
{
    if (tg_str_u64(tg_str_of(text), number) && *number > 0 && *number <= MAX_NUMBER)
        return true;
    tg_complain("trainguard audit: a number from 1 to %u is wanted, not \"%s\"",
                (unsigned)MAX_NUMBER, text);
    return false;
}

static bool add_key(struct tg_audit_options *o, const char *file)
{
    if (o->nkeys < TG_AUDIT_MAX_KEYS) {
        o->key_file[o->nkeys++] = file;
        return true;
    }
    tg_complain("trainguard audit: more than %d --key-file", (int)TG_AUDIT_MAX_KEYS);
    return false;
}

/* The filter a member of which an option is the text of, or NULL. */
static struct tg_str *audit_text_of(struct tg_audit_filter *f, int option)
{
    const struct {
        int option;
        struct tg_str *text;
    } rows[] = {
        {'p', &f->project}, {'c', &f->config}, {'a', &f->principal}, {'r', &f->rule},
        {'i', &f->id},      {'m', &f->method}, {'P', &f->path},      {'C', &f->client},
        {'e', &f->status},  {'E', &f->end},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].option == option)
            return rows[i].text;
    return NULL;
}

static bool audit_set_option(struct tg_audit_options *o, int option)
{
    struct tg_audit_filter *f = &o->filter;
    struct tg_str *text = audit_text_of(f, option);

    if (text != NULL) {
        *text = tg_str_of(optarg);
        return true;
    }
    switch (option) {
    case 'd':
        return set_decision(f, optarg);
    case 's':
        return set_bound(&f->since, optarg);
    case 'u':
        return set_bound(&f->until, optarg);
    case 'o':
        return set_output(o, optarg);
    case 'f':
        o->follow = true;
        return true;
    case 'n':
        o->colour = false;
        return true;
    case 'k':
        return add_key(o, optarg);
    case 't':
        o->tails = true;
        return set_number(&o->tail, optarg);
    case 'T':
        return set_number(&o->top, optarg);
    case 'S':
        o->stored = true;
        return true;
    case 'H':
        o->heads_file = optarg;
        return true;
    default:
        CHECK(option == 'x');
        o->closed = true;
        return true;
    }
}

static const char *audit_name_of(int option)
{
    const struct option *o = names;

    while (o->val != option)
        o++;
    return o->name;
}

/* Reads the options of one command. 0, or the exit status plus one. */
static int audit_read_options(struct tg_audit_options *o, int argc, char **argv, const char *known)
{
    char command[24];
    int option;

    snprintf(command, sizeof(command), "audit %s", argv[0]);
    optind = 1;
    while ((option = tg_command_option(command, argc, argv, ":h", names)) != -1) {
        if (option == 'h') {
            fputs(usage_text, stdout);
            return TG_AUDIT_FINE + 1;
        }
        if (option == '?')
            return tg_command_misused("audit", NULL) + 1;
        if (strchr(known, option) == NULL) {
            tg_complain("trainguard audit %s: an option of another command: --%s", argv[0],
                        audit_name_of(option));
            return tg_command_misused("audit", NULL) + 1;
        }
        if (!audit_set_option(o, option))
            return tg_command_misused("audit", NULL) + 1;
    }
    if (optind < argc)
        return 0;
    tg_complain("trainguard audit %s: no file given", argv[0]);
    return tg_command_misused("audit", NULL) + 1;
}

int tg_audit_main(int argc, char **argv)
{
    struct tg_audit_options o = {.output = TG_AUDIT_TEXT,
                                 .colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL};
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        fputs(usage_text, stdout);
        return TG_AUDIT_FINE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        int status;

        if (strcmp(name, commands[i].name) != 0)
            continue;
        status = audit_read_options(&o, argc - 1, argv + 1, commands[i].options);
        if (status != 0)
            return status - 1;
        return commands[i].run(&o, argv + 1 + optind, argc - 1 - optind);
    }
    if (argc == 1)
        return tg_command_misused("audit", "give verify, show, summary, columns or history");
    tg_complain("trainguard audit: verify, show, summary, columns or history, not \"%s\"", name);
    return tg_command_misused("audit", NULL);
}
