/*
 * Secrets: one is planted in a place of the request, with the input's bytes around it, and the
 * request is judged by the contract and by policies that speak of that place. No record at the
 * levels none and metadata has the secret in it, and no answer has one that stands where the whole
 * world knows it for a secret.
 *
 * The first byte of the input chooses the place; then come a text before the secret, one behind it,
 * a name, and the members of the rest of the body, parted by 0x1f.
 */
#include "audit/conf.h"
#include "audit/record.h"
#include "base/check.h"
#include "contract/internal.h"
#include "policy/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { FIELD_END = 0x1f };

static const char secret[] = "S3cr3t-Pl4nted.Q9";

/* Where it can stand. */
enum place {
    COMMAND,    /* user_command */
    MISSPELT,   /* User_Command */
    PARAMETER,  /* a value in parameter[] */
    NAMED,      /* the same under a label that says secret */
    LIST,       /* Parameter */
    UNKNOWN,    /* a member of a name that the input makes up */
    DEEP,       /* within one */
    WRONG_TYPE, /* in a container where a path belongs */
    DESCRIPTION,
    TOKEN,  /* X-Auth-Token */
    SIGNED, /* Authorization, behind an AK and a separator of the input */
    QUERY,  /* behind the path's '?', and that percent-encoded */
    PLACES
};

static const char policies[] =
    "policy p {\n"
    "rule command { at user_command; max_length 3; }\n"
    "rule behind { at_unknown user_command.x; max 3; mode warn; }\n"
    "rule value { at parameter[*].value; max_length 3; message \"it's 'so' here\"; mode warn; }\n"
    "rule within { at_unknown parameter[*].value.x; max 3; mode dryrun; }\n"
    "rule words { at parameter[*].value; not_matches \"S3cr3t\"; mode dryrun; }\n"
    "rule about { at config_desc; max_length 3; mode warn; }\n"
    "rule count { at worker_server_num; max 2; }\n"
    "}\n";

static struct tg_policy_set *set;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct tg_arena arena;
    static struct tg_conf conf;
    struct tg_policy_file file = {"fuzz", {policies, sizeof(policies) - 1}};

    (void)argc;
    (void)argv;
    tg_arena_init(&arena);
    tg_conf_init(&conf, &arena, "./");
    set = tg_policy_load_files(&conf, &file, 1, NULL);
    CHECK(set != NULL && conf.errors == 0);
    return 0;
}

/* Takes the next piece of the input. */
static struct tg_str next(struct tg_str *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, FIELD_END, rest->n) : NULL;
    struct tg_str s = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, s.n + (end != NULL ? 1 : 0));
    return s;
}

/* The secret with the input's texts around it. */
static struct tg_str plant(struct tg_arena *arena, struct tg_str before, struct tg_str after)
{
    return tg_arena_printf(arena, "%.*s%s%.*s", TG_STR_ARG(before), secret, TG_STR_ARG(after));
}

/* The member of the body that has the secret; empty for places outside the body. */
static void add_member(struct tg_buf *body, enum place place, struct tg_str name,
                       struct tg_str planted)
{
    static const struct {
        const char *before;
        const char *after;
    } texts[PLACES] = {
        [COMMAND] = {",\"user_command\":", ""},
        [MISSPELT] = {",\"User_Command\":", ""},
        [PARAMETER] = {",\"parameter\":[{\"label\":\"lr\",\"value\":", "}]"},
        [NAMED] = {",\"parameter\":[{\"label\":\"api_token\",\"value\":", "}]"},
        [LIST] = {",\"Parameter\":[{\"label\":\"lr\",\"value\":", "}]"},
        [WRONG_TYPE] = {",\"train_url\":[", "]"},
        [DESCRIPTION] = {",\"config_desc\":", ""},
    };

    if (place == UNKNOWN || place == DEEP) {
        tg_buf_putc(body, ',');
        tg_buf_json(body, name);
        tg_buf_puts(body, place == DEEP ? ":{\"data_url\":" : ":");
    } else if (texts[place].before == NULL) {
        return;
    } else {
        tg_buf_puts(body, texts[place].before);
    }
    tg_buf_json(body, planted);
    if (place == DEEP)
        tg_buf_putc(body, '}');
    else if (texts[place].after != NULL)
        tg_buf_puts(body, texts[place].after);
}

static bool holds_secret(struct tg_str text)
{
    return memmem(text.p, text.n, secret, sizeof(secret) - 1) != NULL;
}

static void check_record(const struct tg_request *r, int level)
{
    struct tg_audit_record record = {.time = 1790000000000001, .request = r, .status = 400};
    struct tg_str patterns[] = {TG_STR("token")};
    struct tg_audit_conf conf = {.body = level, .redact = patterns, .nredact = 1, .checked = true};
    struct tg_redact redact;
    struct tg_buf line = {0};

    tg_redact_init(&redact, &conf);
    for (unsigned cut = TG_AUDIT_WHOLE; cut <= TG_AUDIT_SHORT; cut++)
        tg_audit_record_add(&redact, &line, &record, false, (enum tg_audit_cut)cut);
    tg_audit_record_principal(&redact, &line, r);
    CHECK(!holds_secret(tg_buf_str(&line)));
    tg_buf_end(&line);
    tg_redact_end(&redact);
}

static void check_answer(const struct tg_request *r, enum place place)
{
    struct tg_buf out = {0};
    int status;

    if (r->report.violations == 0)
        return;
    tg_request_answer(r, &out, &status);
    if (place == COMMAND || place == MISSPELT || place == NAMED)
        CHECK(!holds_secret(tg_buf_str(&out)));
    tg_buf_end(&out);
}

/* A member of that name may be told: one that the contract has, or that holds a config's name. */
static bool is_known(struct tg_str name)
{
    return tg_contract_find(tg_contract_config, name) != NULL || holds_secret(name);
}

/* Fills the request; false when the input makes no body of it. */
static bool make_request(struct tg_request *r, struct tg_doc *doc, enum place place,
                         struct tg_str rest)
{
    static const struct tg_json_limits limits = {32, 10000};
    struct tg_str before = next(&rest);
    struct tg_str after = next(&rest);
    struct tg_str name = next(&rest);
    struct tg_str planted = plant(r->arena, before, after);
    struct tg_field *field = tg_arena_zalloc(r->arena, 1, sizeof(*field));
    struct tg_json_fault fault;
    struct tg_buf body = {0};

    if ((place == UNKNOWN || place == DEEP) && is_known(name))
        return false;
    if (holds_secret(rest) || holds_secret(before) || holds_secret(after))
        return false;
    tg_buf_puts(&body, "{\"worker_server_num\":7");
    add_member(&body, place, name, planted);
    if (rest.n > 0) {
        tg_buf_putc(&body, ',');
        tg_buf_add(&body, rest);
    }
    tg_buf_putc(&body, '}');
    r->body = tg_arena_dup(r->arena, tg_buf_str(&body));
    tg_buf_end(&body);
    field->name = place == TOKEN ? TG_STR("X-Auth-Token") : TG_STR("Authorization");
    field->value = place == SIGNED ? tg_arena_printf(r->arena, "SDK-HMAC-SHA256 Access=AK%.*s",
                                                     TG_STR_ARG(planted))
                                   : planted;
    r->fields = field;
    r->nfields = place == TOKEN || place == SIGNED;
    r->target = r->path =
        tg_arena_printf(r->arena, "/x%s%.*s", place == QUERY ? "%3F" : "?", TG_STR_ARG(planted));
    tg_request_identify(r);
    return tg_doc_parse(doc, r->arena, r->body, &limits, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str rest = {(const char *)data, size};
    struct tg_arena arena;
    struct tg_request r;
    struct tg_doc doc;
    enum place place;

    if (size == 0)
        return 0;
    place = (enum place)(data[0] % PLACES);
    tg_arena_init(&arena);
    tg_request_init(&r, &arena);
    if (make_request(&r, &doc, place, tg_str_skip(rest, 1))) {
        r.doc = &doc;
        tg_contract_judge(&r, TG_STRICT);
        tg_policy_eval(set, &r, tg_policy_report, &r);
        check_record(&r, TG_AUDIT_BODY_NONE);
        check_record(&r, TG_AUDIT_BODY_METADATA);
        check_answer(&r, place);
    }
    tg_arena_end(&arena);
    return 0;
}
