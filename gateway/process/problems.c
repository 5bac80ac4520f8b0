/* What is wrong with a configuration, as lines of text: logged, or told in short. */
#include "process/problems.h"

#include "base/check.h"
#include "base/log.h"

/* The first line of some problems, each of which ends with a newline; without that. */
static struct tg_str first_line(struct tg_str problems)
{
    const char *end = memchr(problems.p, '\n', problems.n);

    CHECK(end != NULL);
    return (struct tg_str){problems.p, (size_t)(end - problems.p)};
}

void tg_problems_log(struct tg_str rest)
{
    while (rest.n > 0) {
        struct tg_str line = first_line(rest);

        tg_log(tg_str_starts(line, TG_STR("[warn]")) ? TG_LOG_WARN : TG_LOG_ERROR, "master", "%.*s",
               TG_STR_ARG(line));
        rest = tg_str_skip(rest, line.n + 1);
    }
}

struct tg_str tg_problems_first_error(struct tg_str problems)
{
    const struct tg_str level = TG_STR("[emerg] ");

    while (problems.n > 0) {
        struct tg_str line = first_line(problems);

        if (tg_str_starts(line, level))
            return tg_str_skip(line, level.n);
        problems = tg_str_skip(problems, line.n + 1);
    }
    return TG_STR("the error log says why");
}
