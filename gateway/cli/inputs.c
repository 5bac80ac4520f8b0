/* Finds and reads the files, folders and standard input that a command line names. */
#include "cli/inputs.h"

#include "base/buf.h"
#include "base/check.h"
#include "cli/evaluator.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

/* One walk over the arguments. */
struct walk {
    struct tg_buf buf; /* the body at hand; reused */
    tg_input_hook *hook;
    void *context;
    unsigned found; /* files of the folder at hand */
};

static void give_error(struct walk *w, const char *file, const char *why)
{
    CHECK(why != NULL);
    w->hook(w->context, &(struct tg_input){.file = file, .error = why});
}

/* NULL, or why the whole of it could not be read. */
static const char *read_all(int fd, struct tg_buf *b)
{
    CHECK(fd >= 0);
    b->n = 0;
    for (;;) {
        ssize_t n = read(fd, tg_buf_room(b, READ_SIZE), READ_SIZE);

        if (n == 0)
            return NULL;
        if (n < 0 && errno != EINTR)
            return strerror(errno);
        if (n > 0)
            b->n += (size_t)n;
        if (b->n > TG_EVAL_MAX_BODY)
            return "is larger than 12 MB";
    }
}

static void inputs_give(struct walk *w, const char *file, int fd)
{
    const char *why = read_all(fd, &w->buf);

    CHECK(why != NULL || w->buf.n <= TG_EVAL_MAX_BODY);
    if (why != NULL)
        give_error(w, file, why);
    else
        w->hook(w->context, &(struct tg_input){.file = file, .body = tg_buf_str(&w->buf)});
}

static void give_file(struct walk *w, const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        give_error(w, file, strerror(errno));
        return;
    }
    inputs_give(w, file, fd);
    close(fd);
}

static int inputs_by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void give_entry(struct walk *w, const FTSENT *entry)
{
    bool json = tg_str_ends(tg_str_of(entry->fts_name), TG_STR(".json"));

    switch (entry->fts_info) {
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        w->found++;
        give_error(w, entry->fts_path, strerror(entry->fts_errno));
        break;
    case FTS_DC:
        w->found++;
        give_error(w, entry->fts_path, "is a link to a folder it stands in");
        break;
    case FTS_SLNONE:
    case FTS_F:
        w->found += json;
        if (json)
            give_file(w, entry->fts_path);
        break;
    default: /* folders before and after what is in them; pipes, devices, sockets */
        break;
    }
}

static void give_folder(struct walk *w, char *folder)
{
    char *roots[] = {folder, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, inputs_by_name);

    if (tree == NULL) {
        give_error(w, folder, strerror(errno));
        return;
    }
    w->found = 0;
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        give_entry(w, entry);
    fts_close(tree);
    if (w->found == 0)
        give_error(w, folder, "is a folder without any .json file");
}

void tg_inputs_each(char *const *args, int n, tg_input_hook *hook, void *context)
{
    struct walk w = {.hook = hook, .context = context};

    CHECK(n >= 0 && hook != NULL);
    for (int i = 0; i < n; i++) {
        struct stat st;

        if (strcmp(args[i], "-") == 0)
            inputs_give(&w, "-", STDIN_FILENO);
        else if (stat(args[i], &st) == 0 && S_ISDIR(st.st_mode))
            give_folder(&w, args[i]);
        else
            give_file(&w, args[i]);
    }
    tg_buf_end(&w.buf);
}
