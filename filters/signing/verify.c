/* `verify`: knows the caller before anything is judged, by a signature or as `callers` says. */
#include "signing/verify.h"

#include "base/check.h"
#include "base/clock.h"
#include "signing/canonical.h"

/* --- projects --- */

/* The project a path of the API is about, "/v1/{project_id}/...", also where the location's pattern
 * does not name it; else empty. */
static struct tg_str path_project(const struct tg_request *r)
{
    struct tg_str rest = r->path;

    if (r->project_id.n > 0)
        return r->project_id;
    if (rest.n < 4 || rest.p[0] != '/' || (rest.p[1] != 'v' && rest.p[1] != 'V') ||
        rest.p[2] < '0' || rest.p[2] > '9')
        return TG_STR("");
    const char *from = memchr(rest.p + 1, '/', rest.n - 1);
    if (from == NULL)
        return TG_STR("");
    rest = tg_str_skip(rest, (size_t)(from + 1 - rest.p));
    const char *end = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
    return (struct tg_str){rest.p, end != NULL ? (size_t)(end - rest.p) : rest.n};
}

/* What is checked here is what `sign` names: path, field and credential cannot part. */
static enum tg_verdict check_project(struct tg_check *c)
{
    struct tg_signing_request request = {c->r->method, c->r->raw_target, c->r->fields,
                                         c->r->nfields};
    struct tg_str named = tg_signing_field(&request, TG_STR("x-project-id"));
    struct tg_str project = path_project(c->r);

    if (project.n == 0)
        project = named.n > 0 ? named : c->conf->credential_project;
    if (named.n > 0 && !tg_str_eq(named, project))
        return tg_check_refuse(c, TG_E_AUTH_PROJECT, "X-Project-Id is not the project of the path");
    if (c->key != NULL && project.n == 0)
        return tg_check_refuse(c, TG_E_AUTH_PROJECT, "the request names no project");
    if (c->key != NULL && !tg_client_key_allows(c->key, project))
        return tg_check_refuse(
            c, TG_E_AUTH_PROJECT,
            tg_arena_printf(c->r->arena, "project %.*s is not of this key", TG_STR_ARG(project)).p);
    c->r->project_id = project;
    return TG_NEXT;
}

/* --- the filter --- */

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    struct tg_check c = {.r = r, .conf = r->signing};
    enum tg_verdict verdict;

    (void)conf;
    (void)state;
    if (r->host == NULL)
        return TG_NEXT; /* the command line judges bodies; nobody sent them */
    CHECK(r->signing != NULL && (r->signing->keys != NULL || r->signing->callers != NULL));
    verdict = r->credentials == TG_CRED_SIGNED && r->signing->keys != NULL ? tg_check_signed(&c)
                                                                           : tg_check_caller(&c);
    if (verdict != TG_NEXT || r->auth_kind == TG_AUTH_TOKEN)
        return verdict;
    verdict = check_project(&c);
    r->auth_verified = verdict == TG_NEXT && r->auth_kind != TG_AUTH_ANY;
    if (verdict == TG_NEXT)
        tg_client_key_passed(c.keys, c.key, tg_clock_wall_now() / 1000000);
    else
        tg_client_key_failed(c.keys, c.key, 0);
    return verdict;
}

const struct tg_filter tg_filter_verify = {
    .abi = TG_FILTER_ABI,
    .name = "verify",
    .help = "Lets callers pass that are known: by a signature with a key of `aksk resign` "
            "(SDK-HMAC-SHA256, V11-HMAC-SHA256), or as `callers` says. The caller's name is then "
            "the request's principal.",
    .traits = TG_NEEDS_BODY | TG_IDENTIFIES,
    .on_request = on_request,
};
