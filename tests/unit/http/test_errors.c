/* The table of errors: what of a row can be judged without a request. */
#include "http/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The registry of RFC 9209 section 2.3, as far as it tells of what this gateway does. */
static const char *const types[] = {
    "dns_timeout",
    "dns_error",
    "destination_not_found",
    "destination_unavailable",
    "destination_ip_prohibited",
    "destination_ip_unroutable",
    "connection_refused",
    "connection_terminated",
    "connection_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "connection_limit_reached",
    "tls_protocol_error",
    "tls_certificate_error",
    "tls_alert_received",
    "http_request_error",
    "http_request_denied",
    "http_response_incomplete",
    "http_response_header_section_size",
    "http_response_header_size",
    "http_response_body_size",
    "http_response_trailer_section_size",
    "http_response_trailer_size",
    "http_response_transfer_coding",
    "http_response_content_coding",
    "http_response_timeout",
    "http_upgrade_failed",
    "http_protocol_error",
    "proxy_internal_response",
    "proxy_internal_error",
    "proxy_configuration_error",
    "proxy_loop_detected",
};

static bool is_registered(const char *type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* What can be answered has a reason phrase, a code and a registered type; what cannot has none. */
static void every_row(void **state)
{
    (void)state;
    for (int i = 0; i < TG_E_COUNT; i++) {
        const struct tg_error_info *row = tg_error_info((enum tg_error)i);

        if (row->status == 0) {
            assert_string_equal(row->type, "");
            assert_string_equal(row->code, "");
            continue;
        }
        assert_in_range(row->status, 400, 599);
        assert_string_not_equal(tg_reason_phrase(row->status), "");
        assert_memory_equal(row->code, "ModelArts.", 10);
        if (!is_registered(row->type))
            fail_msg("%s: \"%s\" is no error type of RFC 9209", row->word, row->type);
    }
}

static void callers_who_are_not_believed(void **state)
{
    (void)state;
    for (int i = 0; i < TG_E_COUNT; i++) {
        enum tg_error error = (enum tg_error)i;

        assert_int_equal(tg_error_is_auth(error),
                         strncmp(tg_error_info(error)->word, "auth_", 5) == 0);
    }
}

/* A word is what logs, metrics and `explain` tell a row by. */
static void words_are_unique(void **state)
{
    (void)state;
    for (int i = 0; i < TG_E_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(tg_error_info((enum tg_error)i)->word,
                                    tg_error_info((enum tg_error)k)->word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row),
                                       cmocka_unit_test(callers_who_are_not_believed),
                                       cmocka_unit_test(words_are_unique)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
