/* Reads the keys of audit logs, and finds the one that a line is chained by. */
#include "cli/audit_keys.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAX_KEY = 4096 };

static bool audit_keys_read_key(const char *file, char *key, size_t *n)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, key, MAX_KEY) : -1;

    if (got < 0)
        tg_complain("trainguard audit: %s: %s", file, strerror(errno));
    if (fd >= 0)
        close(fd);
    *n = tg_str_without_line_ends((struct tg_str){key, got > 0 ? (size_t)got : 0}).n;
    return got >= 0;
}

bool tg_audit_keys_read(struct tg_audit_keys *keys, const struct tg_audit_options *options)
{
    char key[MAX_KEY];
    size_t n;

    keys->n = 0;
    tg_audit_chain_init(&keys->plain, (struct tg_str){NULL, 0});
    for (unsigned i = 0; i < options->nkeys; i++) {
        if (!audit_keys_read_key(options->key_file[i], key, &n))
            return false;
        tg_audit_chain_init(&keys->keyed[keys->n++], (struct tg_str){key, n});
        tg_wipe(key, sizeof(key));
    }
    return true;
}

void tg_audit_keys_end(struct tg_audit_keys *keys)
{
    tg_audit_chain_end(&keys->plain);
    for (unsigned i = 0; i < keys->n; i++)
        tg_audit_chain_end(&keys->keyed[i]);
}

struct tg_audit_chain *tg_audit_keys_find(struct tg_audit_keys *keys, struct tg_str id)
{
    for (unsigned i = 0; i < keys->n; i++)
        if (tg_str_eq(id, (struct tg_str){keys->keyed[i].key_id, TG_KEY_ID_HEX}))
            return &keys->keyed[i];
    return NULL;
}

bool tg_audit_fits(struct tg_audit_chain *chain, const char *previous,
                   const struct tg_audit_line *line)
{
    char want[TG_SHA256_HEX];

    tg_audit_chain_follow(chain, previous, line->text, want);
    return memcmp(want, line->chain.p, sizeof(want)) == 0;
}

struct tg_audit_chain *tg_audit_keys_fit(struct tg_audit_keys *keys, const char *previous,
                                         const struct tg_audit_line *line)
{
    if (keys->n == 0)
        return tg_audit_fits(&keys->plain, previous, line) ? &keys->plain : NULL;
    for (unsigned i = 0; i < keys->n; i++)
        if (tg_audit_fits(&keys->keyed[i], previous, line))
            return &keys->keyed[i];
    return NULL;
}
