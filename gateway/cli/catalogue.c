/*
 * `trainguard catalogue fetch`: asks a service for what a project can choose from, and writes it
 * for `catalogue file` and `eval --catalogue`.
 */
#include "base/check.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/evaluator.h"
#include "live/catalogue_data.h"
#include "live/json_page.h"
#include "upstream/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT INT64_C(60000000) /* microseconds for one page */

static const char usage[] =
    "Usage: trainguard catalogue fetch -c FILE --project ID [--upstream NAME] [--token-file FILE]\n"
    "\n"
    "Asks the upstream for the specifications, engines and built-in algorithms of a project and\n"
    "prints them as JSON, for the directive `catalogue file` and `trainguard eval --catalogue`.\n"
    "\n"
    "  -c FILE            the configuration with the upstream\n"
    "  --project ID       the project\n"
    "  --upstream NAME    which upstream; without it the first one\n"
    "  --token-file FILE  the token to ask with; without it TRAINGUARD_TOKEN\n"
    "\n"
    "Exit status: 0 done, 1 the service did not tell, 2 a file could not be read, or wrong "
    "usage.\n";

/* One run. */
struct fetching {
    struct tg_loop loop;
    struct tg_upstreams upstreams;
    struct tg_fetches fetches;
    struct tg_arena arena;
    struct tg_str upstream;
    struct tg_str token;
    struct tg_lookup_ask ask;
    struct tg_catalogue catalogue;
    unsigned pages;
    struct tg_buf list[TG_CHOICE_LISTS]; /* elements as they came, with commas between */
    bool done;
    const char *why; /* it failed; else NULL */
};

static void catalogue_ask(struct fetching *f, struct tg_str target);

/* The elements of a page, as the service wrote them. */
static void copy_elements(struct fetching *f, unsigned list, struct tg_str body)
{
    struct tg_buf *out = &f->list[list];
    struct tg_arena arena;
    struct tg_doc d;

    tg_arena_init(&arena);
    if (tg_json_page(&d, &arena, body))
        for (uint32_t e = tg_json_page_list(&d, 0, tg_catalogue_member(list)); e != TG_NONE;
             e = tg_doc_next(&d, e)) {
            tg_buf_puts(out, out->n > 0 ? "," : "");
            tg_buf_add(out, tg_doc_text(&d, e));
        }
    tg_arena_end(&arena);
}

static void take_page(struct fetching *f, struct tg_str body)
{
    struct tg_lookup_page page = {.arena = &f->arena,
                                  .value = &f->catalogue,
                                  .number = f->pages++,
                                  .body = body,
                                  .ask = &f->ask};
    unsigned list = f->catalogue.reading;

    f->why = tg_catalogue_kind.on_page(&page);
    if (f->why == NULL)
        copy_elements(f, list, body);
    if (f->why == NULL && page.next.n > 0)
        catalogue_ask(f, page.next);
    else
        f->done = true;
}

static void catalogue_on_answer(void *owner, const struct tg_fetch_answer *a)
{
    struct fetching *f = owner;

    if (a->error == TG_E_DONE && a->status == 200) {
        take_page(f, a->body);
        return;
    }
    f->done = true;
    if (a->error == TG_E_DONE)
        f->why = tg_arena_printf(&f->arena, "the service answered %d: %.*s", a->status,
                                 a->body.n < 500 ? (int)a->body.n : 500, a->body.p)
                     .p;
    else
        f->why = tg_arena_printf(&f->arena, "%s: %s", tg_error_info(a->error)->message, a->why).p;
}

static bool catalogue_on_head(void *owner, struct tg_str host, struct tg_buf *out)
{
    const struct fetching *f = owner;

    (void)host;
    tg_fields_add(out, TG_STR("X-Auth-Token"), f->token);
    return true;
}

static void catalogue_ask(struct fetching *f, struct tg_str target)
{
    struct tg_fetch fetch = {.upstream = f->upstream,
                             .target = target,
                             .timeout = TIMEOUT,
                             .on_head = catalogue_on_head,
                             .on_answer = catalogue_on_answer,
                             .owner = f};

    (void)tg_fetch_start(&f->fetches, &fetch);
}

static bool catalogue_fits(void *owner, size_t more)
{
    (void)owner, (void)more;
    return true; /* lookup_max_size bounds it */
}

static void print_lists(struct fetching *f)
{
    struct tg_buf out = {0};

    tg_json_begin(&out, '{');
    tg_json_member(&out, "project_id", f->ask.subject);
    for (unsigned i = 0; i < TG_CHOICE_LISTS; i++) {
        tg_json_member_begin(&out, tg_catalogue_member(i), '[');
        tg_buf_add(&out, tg_buf_str(&f->list[i]));
        tg_json_end(&out, ']');
    }
    tg_json_end(&out, '}');
    tg_buf_putc(&out, '\n');
    (void)!fwrite(out.p, 1, out.n, stdout);
    tg_buf_end(&out);
}

/* The loop is large: it lives on the heap. */
static int catalogue_run(const struct tg_settings *s, struct tg_str upstream, struct tg_str token,
                         const char *project)
{
    struct fetching *f = calloc(1, sizeof(*f));
    int status;

    CHECK(f != NULL);
    tg_arena_init(&f->arena);
    f->upstream = upstream;
    f->token = token;
    f->ask.subject = tg_str_of(project);
    tg_loop_open(&f->loop);
    tg_upstreams_open(&f->upstreams, &f->loop, s->upstreams);
    f->fetches = (struct tg_fetches){.upstreams = &f->upstreams,
                                     .most = 1,
                                     .max_answer = (size_t)s->lookup_max_size,
                                     .fits = catalogue_fits};
    tg_fetches_open(&f->fetches);
    catalogue_ask(f, tg_catalogue_kind.target(&f->arena, &f->ask));
    while (!f->done)
        tg_loop_turn(&f->loop);
    if (f->why == NULL)
        print_lists(f);
    else
        tg_complain("trainguard catalogue: %s", f->why);
    status = f->why == NULL ? 0 : 1;
    tg_upstreams_end(&f->upstreams);
    tg_loop_end(&f->loop);
    for (unsigned i = 0; i < TG_CHOICE_LISTS; i++)
        tg_buf_end(&f->list[i]);
    tg_arena_end(&f->arena);
    free(f);
    return status;
}

/* --- options --- */

struct fetch_options {
    const char *conf;
    const char *project;
    const char *upstream;
    const char *token_file;
    bool help;
};

static bool catalogue_take_options(struct fetch_options *o, int argc, char **argv)
{
    static const struct option names[] = {{"project", required_argument, NULL, 'J'},
                                          {"upstream", required_argument, NULL, 'U'},
                                          {"token-file", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    while ((c = tg_command_option("catalogue", argc, argv, ":c:h", names)) != -1)
        switch (c) {
        case 'c':
            o->conf = optarg;
            break;
        case 'J':
            o->project = optarg;
            break;
        case 'U':
            o->upstream = optarg;
            break;
        case 't':
            o->token_file = optarg;
            break;
        case 'h':
            o->help = true;
            break;
        default:
            return false;
        }
    return true;
}

static const struct tg_upstream_conf *find_upstream(const struct tg_settings *s, const char *name)
{
    const struct tg_upstream_conf *u = s->upstreams;

    while (u != NULL && name != NULL && !tg_str_eq(u->name, tg_str_of(name)))
        u = u->next;
    return u;
}

/* Empty, and a message, when there is none. */
static struct tg_str read_token(const struct fetch_options *o, struct tg_arena *arena)
{
    struct tg_str token = tg_str_of(getenv("TRAINGUARD_TOKEN"));
    struct tg_file file = {.text = token};
    const char *why = NULL;

    if (o->token_file != NULL)
        why = tg_file_read(arena, o->token_file, &file);
    if (why != NULL)
        tg_complain("trainguard catalogue: cannot read \"%s\": %s", o->token_file, why);
    return why == NULL ? tg_str_without_line_ends(file.text) : TG_STR("");
}

static int fetch(const struct fetch_options *o, struct tg_settings *s)
{
    const struct tg_upstream_conf *u = find_upstream(s, o->upstream);
    struct tg_str token = read_token(o, &s->arena);

    if (u == NULL)
        return tg_command_misused("catalogue", "no such upstream in the configuration");
    if (token.n == 0)
        return tg_command_misused("catalogue", "no token: give --token-file or TRAINGUARD_TOKEN");
    return catalogue_run(s, u->name, token, o->project);
}

int tg_catalogue_main(int argc, char **argv)
{
    struct fetch_options o = {.conf = NULL};
    struct tg_settings *s;
    char *folder;
    int status;

    if (!catalogue_take_options(&o, argc, argv))
        return tg_command_misused("catalogue", NULL);
    if (o.help) {
        fputs(usage, stdout);
        return 0;
    }
    if (optind + 1 != argc || strcmp(argv[optind], "fetch") != 0)
        return tg_command_misused("catalogue", "give fetch");
    if (o.conf == NULL || o.project == NULL || !tg_eval_is_name(tg_str_of(o.project)))
        return tg_command_misused("catalogue", "give -c FILE and --project ID");
    folder = tg_settings_folder(o.conf);
    s = tg_settings_load(o.conf, folder);
    status = s != NULL ? fetch(&o, s) : 2;
    tg_settings_end(s);
    free(folder);
    return status;
}
