/* `verify`: knows the caller before anything is judged, by a signature or as `callers` says. */
#include "signing/verify.h"

#include "base/check.h"
#include "base/clock.h"
#include "http/target.h"
#include "signing/canonical.h"

/* --- projects --- */

/* True for "v" and a digit, however a lenient server may have it written. */
static bool is_version(const struct tg_request *r, struct tg_str segment)
{
    size_t cap = segment.n + TG_TARGET_SKELETON_MORE;
    struct tg_str folded = tg_target_skeleton(segment, false, tg_arena_alloc(r->arena, cap), cap);

    return folded.n > 2 && folded.p[1] == 'v' && folded.p[2] >= '0' && folded.p[2] <= '9';
}

/* Takes the first segment off a path that begins with "/". */
static struct tg_str take_segment(struct tg_str *path)
{
    struct tg_str rest = tg_str_skip(*path, 1);
    const char *end = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
    struct tg_str segment = {rest.p, end != NULL ? (size_t)(end - rest.p) : rest.n};

    *path = tg_str_skip(rest, segment.n);
    return segment;
}

/* The project a path of the API is about, "/v1/{project_id}/...", also where the location's pattern
 * does not name it; else empty. */
static struct tg_str path_project(const struct tg_request *r)
{
    struct tg_str rest = r->path;

    if (r->project_id.n > 0)
        return r->project_id;
    while (rest.n > 1)
        if (is_version(r, take_segment(&rest)))
            return take_segment(&rest);
    return TG_STR("");
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

/* "%25" lets one signature fit two paths, and one path be two for who decodes twice; "+" is a blank
 * for some. */
static const char *is_read_in_two_ways(struct tg_str target)
{
    const char *mark = memchr(target.p, '?', target.n);
    size_t n = mark != NULL ? (size_t)(mark - target.p) : target.n;

    if (memmem(target.p, n, "%25", 3) != NULL)
        return "the path of a signed request must not have \"%25\"";
    if (mark != NULL && memchr(mark, '+', target.n - n) != NULL)
        return "write %20 or %2B for \"+\" in the query of a signed request";
    return NULL;
}

/* What nobody can tell the meaning of, before anybody looks who asks. */
static const char *is_ambiguous(const struct tg_request *r)
{
    if (tg_request_field(r, TG_STR(TG_KEY_FIELD)).p != NULL && r->credentials != TG_CRED_NONE)
        return TG_KEY_FIELD " beside other credentials: which of the two asks?";
    return r->credentials != TG_CRED_TOKEN ? is_read_in_two_ways(r->raw_target) : NULL;
}

/* By a scheme that is known, or one that is not: then it is told which are. */
static bool looks_signed(const struct tg_request *r)
{
    return r->credentials == TG_CRED_SIGNED || r->credentials == TG_CRED_OTHER;
}

static enum tg_verdict on_request(struct tg_request *r, const void *conf, void *state)
{
    struct tg_check c = {.r = r, .conf = r->signing};
    enum tg_verdict verdict;
    const char *why;

    (void)conf;
    (void)state;
    if (r->host == NULL)
        return TG_NEXT; /* the command line judges bodies; nobody sent them */
    CHECK(r->signing != NULL && (r->signing->keys != NULL || r->signing->callers != NULL));
    r->auth_kind = TG_AUTH_NONE;
    why = is_ambiguous(r);
    if (why != NULL)
        return tg_check_refuse(&c, TG_E_BAD_REQUEST, why);
    verdict =
        looks_signed(r) && r->signing->keys != NULL ? tg_check_signed(&c) : tg_check_caller(&c);
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
