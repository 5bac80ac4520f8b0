/* The table of errors: one row for each way in which an exchange ends. */
#include "http/errors.h"

#include "base/check.h"

static const struct tg_error_info table[] = {
#define X(id, word, status, code, type, level, en, zh)                                             \
    [TG_E_##id] = {word, status, code, type, TG_LOG_##level, en, zh},
    TG_ERRORS(X)
#undef X
};

const struct tg_error_info *tg_error_info(enum tg_error error)
{
    CHECK(error >= 0 && error < TG_E_COUNT);
    return &table[error];
}

bool tg_error_is_auth(enum tg_error error)
{
    return error >= TG_E_AUTH_MISSING && error <= TG_E_AUTH_ORIGIN;
}

const char *tg_reason_phrase(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 200:
        return "OK";
    default:
        return "";
    }
}
