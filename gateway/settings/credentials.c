/* The gateway's own keys in the configuration: where each comes from. */
#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "settings/internal.h"
#include "signing/source.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#define METADATA_ENDPOINT "http://169.254.169.254"
#define IAM_ENDPOINT      "https://iam.myhuaweicloud.com"

static const char *const source_words[] = {"file", "env", "metadata", "idtoken", NULL};

/* --- source --- */

/* What each kind takes behind its name. */
static const struct {
    unsigned least, most;
    const char *takes;
} source_args[] = {
    [TG_SOURCE_FILE] = {1, 2, "the file with the key and perhaps a section of it"},
    [TG_SOURCE_ENV] = {0, 0, "nothing"},
    [TG_SOURCE_METADATA] = {0, 0, "nothing"},
    [TG_SOURCE_IDTOKEN] = {2, 2, "the name of the identity provider and the file with the token"},
};

static bool set_source(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_credential_conf *k = target;
    unsigned n = item->nargs - 2;
    int kind;

    (void)d;
    if (!tg_conf_word(c, item, item->args[1], source_words, &kind))
        return false;
    k->source.kind = (enum tg_source_kind)kind;
    if (n < source_args[kind].least || n > source_args[kind].most) {
        tg_conf_error(c, item, "\"source %s\" takes %s", source_words[kind - 1],
                      source_args[kind].takes);
        return false;
    }
    if (kind == TG_SOURCE_FILE)
        k->source.path = tg_conf_path(c, item->args[2]);
    k->source.section = n > 1 && kind == TG_SOURCE_FILE ? item->args[3] : TG_STR("basic");
    if (kind == TG_SOURCE_IDTOKEN) {
        k->source.idp = item->args[2];
        k->source.path = tg_conf_path(c, item->args[3]);
    }
    return true;
}

const struct tg_directive tg_credential_directives[] = {
    {.name = "source",
     .contexts = TG_IN_CREDENTIAL,
     .kind = TG_CONF_CUSTOM,
     .set = set_source,
     .min_args = 1,
     .max_args = 3,
     .syntax = "file FILE [SECTION] | env | metadata | idtoken IDP FILE",
     .help = "Where the key comes from. A file is JSON as the metadata service answers "
             "(`{\"credential\": {\"access\", \"secret\", \"securitytoken\", "
             "\"expires_at\"}}`), or an INI file of the SDKs, of which SECTION (basic) counts; it "
             "is read again when it changes. env: HUAWEICLOUD_SDK_AK, _SK, _SECURITY_TOKEN and "
             "_PROJECT_ID. metadata: the agency of the machine. idtoken: the ID token in FILE, "
             "exchanged at IAM with the identity provider IDP. The last two are asked again before "
             "their keys end."},
    {.name = "project_id",
     .contexts = TG_IN_CREDENTIAL,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_credential_conf, project_id),
     .syntax = "ID",
     .help = "The project that is named where a request's path has none."},
    {.name = "endpoint",
     .contexts = TG_IN_CREDENTIAL,
     .kind = TG_CONF_STRING,
     .offset = offsetof(struct tg_credential_conf, endpoint),
     .syntax = "URL",
     .help = "The service that is asked, without a path: `" METADATA_ENDPOINT
             "` for metadata, `" IAM_ENDPOINT
             "` for idtoken if it is not set. Plain http goes to addresses of the machine or its "
             "link alone (127.0.0.0/8, 169.254.0.0/16, ::1, fd00::/8)."},
    {.name = "tls_ca",
     .contexts = TG_IN_CREDENTIAL,
     .kind = TG_CONF_PATH,
     .offset = offsetof(struct tg_credential_conf, tls_ca),
     .syntax = "FILE",
     .help = "The authorities the service's certificate is checked by, instead of the system's."},
    {.name = NULL},
};

/* --- endpoint --- */

/* An address that is not routed: this machine, its link, unique local ones (RFC 4193). */
static bool is_near(struct tg_str host)
{
    unsigned char a[16];

    if (tg_address_read(AF_INET, host, a))
        return a[0] == 127 || (a[0] == 169 && a[1] == 254);
    if (tg_address_read(AF_INET6, host, a))
        return a[0] == 0xfd || IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)a);
    return false;
}

static bool read_endpoint(struct tg_conf *c, struct tg_credential_conf *k)
{
    struct tg_upstream_server at = {.port = 0};
    bool tls = tg_str_starts(k->endpoint, TG_STR("https://"));
    bool plain = tg_str_starts(k->endpoint, TG_STR("http://"));

    if ((!tls && !plain) || !tg_read_server(tg_str_skip(k->endpoint, tls ? 8 : 7), &at)) {
        tg_conf_error(c, k->item,
                      "\"endpoint\" takes http:// or https:// and HOST or HOST:PORT, "
                      "got \"%s\"",
                      k->endpoint.p);
        return false;
    }
    k->source.base = k->endpoint;
    k->host = tg_arena_dup(c->arena, at.host);
    k->port = at.port != 0 ? at.port : tls ? 443 : 80;
    if (tls || is_near(k->host))
        return true;
    tg_conf_error(c, k->item,
                  "\"endpoint %s\" would send secrets in the clear: use https, or an "
                  "address of this machine or its link",
                  k->endpoint.p);
    return false;
}

static bool finish_source(struct tg_conf *c, struct tg_credential_conf *k)
{
    bool asks = k->source.kind == TG_SOURCE_METADATA || k->source.kind == TG_SOURCE_IDTOKEN;

    if (k->source.kind == 0) {
        tg_conf_error(c, k->item, "credential \"%s\" has no \"source\"", k->name.p);
        return false;
    }
    if (!asks && (k->endpoint.n > 0 || k->tls_ca.n > 0)) {
        tg_conf_error(c, k->item, "\"source %s\" asks nobody: \"%s\" does nothing",
                      source_words[k->source.kind - 1], k->endpoint.n > 0 ? "endpoint" : "tls_ca");
        return false;
    }
    if (!asks)
        return true;
    if (k->endpoint.n == 0)
        k->endpoint =
            k->source.kind == TG_SOURCE_METADATA ? TG_STR(METADATA_ENDPOINT) : TG_STR(IAM_ENDPOINT);
    if (k->tls_ca.n == 0)
        k->tls_ca = TG_STR(TG_AUTHORITIES);
    return read_endpoint(c, k);
}

/* --- credential --- */

const struct tg_credential_conf *tg_credential_find(const struct tg_settings *s, struct tg_str name)
{
    const struct tg_credential_conf *k = s->credentials;

    while (k != NULL && !tg_str_eq(k->name, name))
        k = k->next;
    return k;
}

/* The file that a source needs is there, whatever it holds by the time it is asked. */
static bool can_read(struct tg_conf *c, const struct tg_credential_conf *k, struct tg_str path)
{
    struct tg_arena arena;
    struct tg_file file;
    const char *why;

    tg_arena_init(&arena);
    why = tg_file_read(&arena, path.p, &file);
    tg_arena_wipe(&arena);
    tg_arena_end(&arena);
    if (why != NULL)
        tg_conf_error(c, k->item, "credential \"%s\" cannot use %s: %s,", k->name.p, path.p, why);
    return why == NULL;
}

/* Files and the environment are read with the configuration; the keeper asks services. Nothing is
 * forwarded without a key. */
static bool credentials_read_key(struct tg_conf *c, const struct tg_settings *s,
                                 const struct tg_credential_conf *k)
{
    struct tg_source *source;
    struct tg_source_request request = {.method = NULL};
    struct tg_source_result result;
    int64_t now = tg_clock_wall_now() / 1000000;

    if (k->host.n > 0)
        return (k->source.path.n == 0 || can_read(c, k, k->source.path)) &&
               (tg_str_starts(k->endpoint, TG_STR("http://")) || can_read(c, k, k->tls_ca));
    source = tg_source_new(&k->source);
    enum tg_source_step step = tg_source_begin(source, now, &request, &result);
    CHECK(step != TG_SOURCE_ASK);
    if (step == TG_SOURCE_KEY)
        tg_credential_map_publish(s->credential_map, k->number, &result.key, now);
    else
        tg_conf_error(c, k->item, "credential \"%s\" has no key, %s (%s)", k->name.p, result.error,
                      k->source.path.n > 0 ? k->source.path.p : "the environment");
    tg_wipe(&result, sizeof(result));
    tg_source_end(source);
    return step == TG_SOURCE_KEY;
}

static bool number_credential(struct tg_conf *c, struct tg_settings *s,
                              struct tg_credential_conf *k)
{
    if (s->offline)
        return true;
    if (s->credential_map == NULL)
        s->credential_map = tg_credential_map_new();
    if (s->credential_map == NULL) {
        tg_conf_error(c, k->item, "the kernel gives no memory for keys: %s", strerror(errno));
        return false;
    }
    k->number = tg_credential_map_number(s->credential_map, k->name, &k->source);
    if (k->number < 0)
        tg_conf_error(c, k->item, "there can be %d credentials with names of at most %d bytes",
                      TG_CREDENTIALS, TG_CREDENTIAL_NAME - 1);
    return k->number >= 0;
}

void tg_credentials_read(struct tg_conf *c, struct tg_settings *s)
{
    for (struct tg_credential_conf *k = s->credentials; k != NULL; k = k->next) {
        k->source.group = s->user.n > 0 ? s->gid : getegid();
        (void)credentials_read_key(c, s, k);
    }
}

void tg_credential_lend_proxy(struct tg_settings *s, struct tg_str name,
                              const struct tg_proxy_conf *proxy)
{
    struct tg_credential_conf *k = s->credentials;

    while (k != NULL && !tg_str_eq(k->name, name))
        k = k->next;
    if (k != NULL && k->proxy == NULL && k->source.kind == TG_SOURCE_IDTOKEN && !is_near(k->host))
        k->proxy = proxy;
}

bool tg_set_credential(struct tg_conf *c, const struct tg_conf_item *item, void *target,
                       const struct tg_directive *d)
{
    struct tg_settings *s = target;
    struct tg_credential_conf *k = tg_arena_zalloc(c->arena, 1, sizeof(*k));
    const struct tg_conf_table table = {tg_credential_directives, k};

    (void)d;
    if (item->args[1].n == 0 || tg_credential_find(s, item->args[1]) != NULL) {
        tg_conf_error(c, item, "a credential needs a name of its own, got \"%s\"", item->args[1].p);
        return false;
    }
    k->name = item->args[1];
    k->item = item;
    k->next = s->credentials;
    s->credentials = k;
    return tg_conf_apply(c, TG_IN_CREDENTIAL, item->children, &table, 1) && finish_source(c, k) &&
           number_credential(c, s, k);
}
