/* TLS of the gateway's own connections: directives that all blocks with servers share. */
#include "net/tls.h"
#include "settings/internal.h"

#include <stddef.h>

#define TLS(member) .offset = offsetof(struct tg_tls_client_conf, member)

const struct tg_directive tg_tls_client_directives[] = {
    {.name = "tls_verify",
     .contexts = TG_IN_UPSTREAM,
     .kind = TG_CONF_FLAG,
     TLS(verify),
     .fallback = "on",
     .help = "Checks the endpoint's certificate and its name before the first byte is sent. Off, "
             "anyone between gateway and endpoint can read and change the requests."},
    {.name = "tls_ca",
     .contexts = TG_IN_UPSTREAM | TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     TLS(ca),
     .help = "PEM file with the authorities to trust; without it the system's."},
    {.name = "tls_crl",
     .contexts = TG_IN_UPSTREAM | TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     TLS(crl),
     .help = "PEM file with the revocation lists of all authorities of the chain. Certificates on "
             "it, and those of an authority without a list, are not trusted."},
    {.name = "tls_cert",
     .contexts = TG_IN_UPSTREAM | TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     TLS(certificate),
     .help = "PEM file with the gateway's own certificate and chain, shown to a server that asks "
             "for one."},
    {.name = "tls_key",
     .contexts = TG_IN_UPSTREAM | TG_IN_LIMIT_STORE,
     .kind = TG_CONF_PATH,
     TLS(key),
     .help = "PEM file with the private key of `tls_cert`; without it the key stands in the same "
             "file."},
    {.name = "tls_name",
     .contexts = TG_IN_UPSTREAM | TG_IN_LIMIT_STORE,
     .kind = TG_CONF_CUSTOM,
     .set = tg_set_host,
     TLS(name),
     .syntax = "NAME",
     .help = "Name to ask for (SNI) and to check in the certificate; without it the host of "
             "`server`."},
    {.name = NULL},
};

bool tg_make_tls_client(struct tg_conf *c, const struct tg_conf_item *item,
                        const struct tg_tls_client_conf *conf, struct tg_tls_context **out)
{
    const char *why = "";

    if (conf->certificate.n > 0)
        tg_warn_not_private(c, item, "tls_key", conf->key.n > 0 ? conf->key : conf->certificate);
    *out = tg_tls_context_new(conf, c->arena, &why);
    if (*out == NULL)
        tg_conf_error(c, item, "%s \"%s\": cannot use %s", item->args[0].p, item->args[1].p, why);
    return *out != NULL;
}
