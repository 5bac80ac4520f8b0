/* What a certificate file says of itself, for people and alerts. */
#include "net/tls_internal.h"

#include "base/check.h"

#include <stdio.h>
#include <time.h>

static bool describe(X509 *x, struct tg_tls_certificate *out)
{
    struct tm end;

    if (X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out->subject,
                                  sizeof(out->subject)) < 0)
        out->subject[0] = '\0'; /* names may stand in subjectAltName alone */
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &end) != 1)
        return false;
    out->not_after = (int64_t)timegm(&end) * 1000000;
    return true;
}

const char *tg_tls_certificate_read(const char *file, struct tg_tls_certificate *out)
{
    FILE *f = fopen(file, "re");
    X509 *x = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    bool good = x != NULL && describe(x, out);

    if (f != NULL)
        fclose(f);
    X509_free(x);
    return good ? NULL : f == NULL ? "the file cannot be opened" : "no PEM certificate in it";
}
