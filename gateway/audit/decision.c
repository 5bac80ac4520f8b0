/* What the gateway decided about a request, from how its exchange ended and what filters found. */
#include "audit/record.h"

/* What an error row says about the request itself. Rows that are not here mean trouble that is not
 * the request's. */
static const struct {
    enum tg_error error;
    enum tg_decision decision;
} decisions[] = {
    {TG_E_BAD_REQUEST, TG_DECISION_INVALID},     {TG_E_URI_TOO_LONG, TG_DECISION_INVALID},
    {TG_E_HEAD_TOO_LARGE, TG_DECISION_INVALID},  {TG_E_EXPECTATION, TG_DECISION_INVALID},
    {TG_E_NOT_IMPLEMENTED, TG_DECISION_INVALID}, {TG_E_VERSION, TG_DECISION_INVALID},
    {TG_E_NOT_FOUND, TG_DECISION_INVALID},       {TG_E_METHOD, TG_DECISION_INVALID},
    {TG_E_BODY_TOO_LARGE, TG_DECISION_INVALID},  {TG_E_LENGTH_REQUIRED, TG_DECISION_INVALID},
    {TG_E_MEDIA_TYPE, TG_DECISION_INVALID},      {TG_E_ENCODING, TG_DECISION_INVALID},
    {TG_E_NOT_JSON, TG_DECISION_INVALID},        {TG_E_MISSING, TG_DECISION_INVALID},
    {TG_E_INVALID, TG_DECISION_INVALID},         {TG_E_OBS_PATH, TG_DECISION_INVALID},
    {TG_E_SIGNED_CHANGE, TG_DECISION_INVALID},   {TG_E_CLIENT_TLS, TG_DECISION_INVALID},
    {TG_E_PROXY_HEADER, TG_DECISION_INVALID},    {TG_E_PLAIN_HTTP, TG_DECISION_INVALID},
    {TG_E_AUTH_MALFORMED, TG_DECISION_INVALID},  {TG_E_POLICY, TG_DECISION_DENY},
    {TG_E_AUTH_MISSING, TG_DECISION_DENY},       {TG_E_AUTH_UNKNOWN, TG_DECISION_DENY},
    {TG_E_AUTH_EXPIRED, TG_DECISION_DENY},       {TG_E_AUTH_MISMATCH, TG_DECISION_DENY},
    {TG_E_AUTH_PAYLOAD, TG_DECISION_DENY},       {TG_E_AUTH_LOCKED, TG_DECISION_DENY},
    {TG_E_AUTH_PROJECT, TG_DECISION_DENY},       {TG_E_AUTH_ORIGIN, TG_DECISION_DENY},
    {TG_E_SIGNED_REFUSED, TG_DECISION_DENY},     {TG_E_LIMITED, TG_DECISION_DENY},
    {TG_E_TOKEN_REFUSED, TG_DECISION_DENY},      {TG_E_TOKEN_PROJECT, TG_DECISION_DENY},
};

static enum tg_decision decision_of_error(enum tg_error error)
{
    for (size_t i = 0; i < sizeof(decisions) / sizeof(*decisions); i++)
        if (decisions[i].error == error)
            return decisions[i].decision;
    return TG_DECISION_ERROR;
}

enum tg_decision tg_audit_decision(const struct tg_audit_record *a)
{
    const struct tg_request *r = a->request;
    const struct tg_finding *first = tg_report_violation(&r->report);

    if (first != NULL)
        return first->error == TG_E_POLICY ? TG_DECISION_DENY : TG_DECISION_INVALID;
    if (r->error != TG_E_DONE)
        return decision_of_error(r->error);
    if (a->end != TG_E_DONE)
        return decision_of_error(a->end);
    return r->report.warnings > 0 ? TG_DECISION_WARN : TG_DECISION_ALLOW;
}

bool tg_audit_changed(const struct tg_audit_record *a)
{
    const struct tg_doc *doc = a->request->doc;

    return doc != NULL && doc->nchanges > 0 && tg_audit_decision(a) == TG_DECISION_ALLOW;
}
