/* Cuts a line of an audit log into its head, its text and its chain. */
#include "audit/line.h"

#include "audit/chain.h"

/* Takes the text behind `label` up to `stop` off `*rest`. */
static bool cut(struct tg_str *rest, struct tg_str label, char stop, struct tg_str *out)
{
    const char *end;

    if (!tg_str_starts(*rest, label))
        return false;
    *rest = tg_str_skip(*rest, label.n);
    end = memchr(rest->p, stop, rest->n);
    if (end == NULL)
        return false;
    *out = (struct tg_str){rest->p, (size_t)(end - rest->p)};
    *rest = tg_str_skip(*rest, out->n);
    return true;
}

bool tg_audit_line_read(struct tg_str line, struct tg_audit_line *out)
{
    struct tg_str seq;
    struct tg_str rest;

    while (line.n > 0 && *line.p == ' ')
        line = tg_str_skip(line, 1);
    rest = line;
    return cut(&rest, TG_STR("{\"time\":\""), '"', &out->time) &&
           cut(&rest, TG_STR("\",\"stream\":\""), '"', &out->stream) &&
           cut(&rest, TG_STR("\",\"seq\":"), ',', &seq) && tg_str_u64(seq, &out->seq) &&
           cut(&rest, TG_STR(",\"event\":\""), '"', &out->event) &&
           tg_audit_chain_split(line, &out->text, &out->chain);
}

struct tg_str tg_audit_line_worker(struct tg_str stream)
{
    const char *dash = stream.n > 0 ? memrchr(stream.p, '-', stream.n) : NULL;

    return (struct tg_str){stream.p, dash != NULL ? (size_t)(dash - stream.p) : stream.n};
}
