/* `trainguard explain`: what a rule, a normalization, an end or a code means. */
#include "admin/topics.h"
#include "base/buf.h"
#include "base/check.h"
#include "cli/commands.h"
#include "config/conf.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_UNKNOWN = 2, MAX_NAMES = 256 };

static const char *const kinds[] = {
    [TG_TOPIC_RULE] = "rule",
    [TG_TOPIC_CHANGE] = "normalization",
    [TG_TOPIC_END] = "end of a request",
};

static const char *const titles[] = {
    [TG_TOPIC_RULE] = "Rules",
    [TG_TOPIC_CHANGE] = "Normalizations",
    [TG_TOPIC_END] = "Ends of a request",
};

static void explain_usage(void)
{
    fputs("Usage: trainguard explain [NAME...]\n\n"
          "What a rule, a normalization, the end of a request (`end` in the audit log) or a code\n"
          "(ModelArts.0107, or 0107) means and how to mend it, in English and Chinese. Without a\n"
          "name: all of them.\n\n"
          "Exit status: 0 told, 2 there is no such rule or code, or wrong usage.\n",
          stdout);
}

/* --- one topic --- */

static void add_levels(struct tg_buf *out, const char *severity)
{
    static const char *const levels[] = {"lax", "documented", "strict"};

    CHECK(strlen(severity) == sizeof(levels) / sizeof(*levels));
    tg_buf_puts(out, "  levels: ");
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        tg_buf_printf(out, "%s%s %s", i > 0 ? ", " : "", levels[i],
                      severity[i] == 'd'   ? "denies"
                      : severity[i] == 'w' ? "warns"
                                           : "does not look");
    tg_buf_putc(out, '\n');
}

static void add_topic(struct tg_buf *out, const struct tg_topic *t)
{
    const struct tg_error_info *info = tg_error_info(t->error);

    CHECK(t->kind >= TG_TOPIC_RULE && t->kind <= TG_TOPIC_END);
    tg_buf_printf(out, "%s (%s)\n", t->name, kinds[t->kind]);
    tg_buf_printf(out, "  %s\n  %s\n", t->what, t->what_zh);
    if (info->status != 0)
        tg_buf_printf(out, "  answer: %d %s\n", info->status, info->code);
    if (t->severity != NULL)
        add_levels(out, t->severity);
    tg_buf_printf(out, "  mend: %s\n  处理: %s\n", t->mend, t->mend_zh);
}

/* Everything of that name: a rule and an end may share one. A code stands for all that answer with
 * it. */
static bool add_named(struct tg_buf *out, struct tg_str name)
{
    bool found = false;

    for (unsigned i = 0; i < tg_topic_count() && name.n > 0; i++) {
        struct tg_topic t = tg_topic_at(i);

        if (!tg_str_eq(tg_str_of(t.name), name) &&
            !tg_str_eq(tg_str_of(tg_error_info(t.error)->code), name))
            continue;
        if (out->n > 0)
            tg_buf_putc(out, '\n');
        add_topic(out, &t);
        found = true;
    }
    return found;
}

/* "ModelArts.0107" in any case, or its four digits. */
static bool add_code(struct tg_buf *out, struct tg_str name)
{
    static const char prefix[] = "ModelArts.";
    struct tg_buf code = {0};
    bool found;

    if (name.n >= sizeof(prefix) - 1 && strncasecmp(name.p, prefix, sizeof(prefix) - 1) == 0)
        name = tg_str_skip(name, sizeof(prefix) - 1);
    tg_buf_puts(&code, prefix);
    tg_buf_add(&code, name);
    found = add_named(out, tg_buf_str(&code));
    tg_buf_end(&code);
    return found;
}

/* --- the command --- */

/* Every name there is, each once, for the hint. */
static void collect_names(const char *names[MAX_NAMES + 1])
{
    unsigned n = tg_topic_count();

    CHECK(2 * n <= MAX_NAMES);
    for (unsigned i = 0; i < n; i++) {
        names[i] = tg_topic_at(i).name;
        names[n + i] = tg_error_info(tg_topic_at(i).error)->code;
    }
    names[2 * n] = NULL;
}

static void explain_unknown(const char *name)
{
    const char *names[MAX_NAMES + 1];
    const char *nearest;

    collect_names(names);
    nearest = tg_conf_nearest(tg_str_of(name), names);
    if (nearest != NULL && nearest[0] != '\0')
        tg_complain("trainguard: unknown rule or code \"%s\", did you mean \"%s\"? `trainguard "
                    "explain` lists all",
                    name, nearest);
    else
        tg_complain("trainguard: unknown rule or code \"%s\"; `trainguard explain` lists all",
                    name);
}

static void add_all(struct tg_buf *out)
{
    for (unsigned i = 0; i < tg_topic_count(); i++) {
        struct tg_topic t = tg_topic_at(i);

        if (i == 0 || tg_topic_at(i - 1).kind != t.kind)
            tg_buf_printf(out, "%s%s\n", i > 0 ? "\n" : "", titles[t.kind]);
        tg_buf_printf(out, "  %-22s %-15s %s\n", t.name, tg_error_info(t.error)->code, t.what);
    }
}

static int explain_explain(struct tg_buf *out, char **names, int n)
{
    int status = EXIT_SUCCESS;

    for (int i = 0; i < n; i++) {
        struct tg_str name = tg_str_of(names[i]);

        if (add_named(out, name) || add_code(out, name))
            continue;
        explain_unknown(names[i]);
        status = EXIT_UNKNOWN;
    }
    return status;
}

int tg_explain_main(int argc, char **argv)
{
    struct tg_buf out = {0};
    int status = EXIT_SUCCESS;

    if (argc > 1 && argv[1][0] == '-') {
        if (strcmp(argv[1], "-h") != 0 && strcmp(argv[1], "--help") != 0)
            return tg_command_misused("explain", "it has no options");
        explain_usage();
        return EXIT_SUCCESS;
    }
    if (argc > 1)
        status = explain_explain(&out, argv + 1, argc - 1);
    else
        add_all(&out);
    (void)!fwrite(out.p, 1, out.n, stdout);
    tg_buf_end(&out);
    return status;
}
