/* The methods of HTTP that are registered with IANA. */
#include "http/methods.h"

const char *const tg_methods[] = {
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    NULL,
};

bool tg_method_is_known(struct tg_str method)
{
    const char *const *name = tg_methods;

    while (*name != NULL && !tg_str_eq(method, tg_str_of(*name)))
        name++;
    return *name != NULL;
}

bool tg_method_needs_no_body(struct tg_str method)
{
    static const char *const methods[] = {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (tg_str_eq(method, tg_str_of(methods[i])))
            return true;
    return false;
}
