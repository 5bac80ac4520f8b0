/* The PROXY protocol, versions 1 and 2. */
#include "http/proxy_protocol.h"

#include "base/check.h"

/* Version 2, section 2.2: signature, version and command, family, length of the rest. */
enum { SIGNATURE = 12, V2_HEAD = 16, COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21, TLV_HEAD = 3 };

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* --- version 1: one line of text --- */

static enum tg_parse bad(const char **why, const char *text)
{
    *why = text;
    return TG_PARSE_BAD;
}

/* Cuts the next word off; words are separated by exactly one blank (section 2.1). */
static struct tg_str proxy_protocol_next_word(struct tg_str *rest)
{
    const char *blank = rest->n > 0 ? memchr(rest->p, ' ', rest->n) : NULL;
    struct tg_str word = {rest->p, blank != NULL ? (size_t)(blank - rest->p) : rest->n};

    *rest = tg_str_skip(*rest, blank != NULL ? word.n + 1 : word.n);
    return word;
}

/* Reads an address and writes it the one way inet_ntop() does, into `text` unless that is NULL. */
static bool read_address(int family, struct tg_str word, char *text)
{
    unsigned char address[16];

    if (!tg_address_read(family, word, address))
        return false;
    if (text != NULL)
        tg_address_write(family, address, text);
    return true;
}

static bool proxy_protocol_read_port(struct tg_str word, uint16_t *out)
{
    uint64_t port;

    if (!tg_str_u64(word, &port) || port > 65535)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* The line without its CRLF and without "PROXY ". */
static enum tg_parse read_line(struct tg_str line, struct tg_proxy *out, const char **why)
{
    struct tg_str protocol = proxy_protocol_next_word(&line);
    struct tg_str source, target, source_port, target_port;
    uint16_t ignored;
    int family;

    if (tg_str_eq(protocol, TG_STR("UNKNOWN")))
        return TG_PARSE_DONE; /* section 2.1: the rest of the line is to be ignored */
    if (tg_str_eq(protocol, TG_STR("TCP4")))
        family = AF_INET;
    else if (tg_str_eq(protocol, TG_STR("TCP6")))
        family = AF_INET6;
    else
        return bad(why, "unknown protocol in a PROXY line");
    source = proxy_protocol_next_word(&line);
    target = proxy_protocol_next_word(&line);
    source_port = proxy_protocol_next_word(&line);
    target_port = line;
    if (!read_address(family, source, out->address) || !read_address(family, target, NULL))
        return bad(why, "malformed address in a PROXY line");
    if (!proxy_protocol_read_port(source_port, &out->port) ||
        !proxy_protocol_read_port(target_port, &ignored))
        return bad(why, "malformed port in a PROXY line");
    out->present = true;
    return TG_PARSE_DONE;
}

static enum tg_parse read_v1(struct tg_str in, struct tg_proxy *out, size_t *used, const char **why)
{
    struct tg_str start = TG_STR("PROXY ");
    size_t known = in.n < start.n ? in.n : start.n;
    size_t searched = in.n < TG_PROXY_V1_MAX ? in.n : TG_PROXY_V1_MAX;
    const char *end;
    size_t n;

    if (memcmp(in.p, start.p, known) != 0)
        return bad(why, "no PROXY header");
    end = memchr(in.p, '\n', searched);
    if (end == NULL)
        return in.n < TG_PROXY_V1_MAX ? TG_PARSE_MORE : bad(why, "PROXY line too long");
    n = (size_t)(end - in.p) + 1;
    if (n < start.n + 2 || in.p[n - 2] != '\r' || memchr(in.p, '\r', n - 2) != NULL)
        return bad(why, "PROXY line does not end with CRLF");
    *used = n;
    return read_line((struct tg_str){in.p + start.n, n - start.n - 2}, out, why);
}

/* --- version 2: a block --- */

/* TLVs (section 2.2.6) are not used, but what cannot be walked is no header. */
static bool walk_tlvs(struct tg_str rest)
{
    while (rest.n >= TLV_HEAD) {
        size_t n = (size_t)((unsigned char)rest.p[1] << 8 | (unsigned char)rest.p[2]);

        if (n > rest.n - TLV_HEAD)
            return false;
        rest = tg_str_skip(rest, TLV_HEAD + n);
    }
    return rest.n == 0;
}

/* Family and transport (section 2.2.4), with what their addresses take. Datagrams make no sense on
 * a stream. */
static const struct {
    unsigned char code;
    size_t size;
    int family;
    size_t port; /* offset of the source port */
} families[] = {
    {0x00, 0, AF_UNSPEC, 0},
    {0x11, 12, AF_INET, 8},
    {0x21, 36, AF_INET6, 32},
    {0x31, 216, AF_UNIX, 0},
};

static void take_address(struct tg_str block, int family, size_t port, struct tg_proxy *out)
{
    if (family == AF_UNIX) {
        memcpy(out->address, "unix:", sizeof("unix:"));
    } else {
        tg_address_write(family, block.p, out->address);
        out->port =
            (uint16_t)((unsigned char)block.p[port] << 8 | (unsigned char)block.p[port + 1]);
    }
    out->present = true;
}

static enum tg_parse read_block(unsigned char code, struct tg_str block, struct tg_proxy *out,
                                const char **why)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        if (families[i].code != code)
            continue;
        if (block.n < families[i].size)
            return bad(why, "PROXY header too short for its addresses");
        if (!walk_tlvs(tg_str_skip(block, families[i].size)))
            return bad(why, "malformed TLV in a PROXY header");
        if (families[i].family != AF_UNSPEC)
            take_address(block, families[i].family, families[i].port, out);
        return TG_PARSE_DONE;
    }
    return bad(why, "unknown family in a PROXY header");
}

static enum tg_parse read_v2(struct tg_str in, struct tg_proxy *out, size_t *used, const char **why)
{
    size_t known = in.n < SIGNATURE ? in.n : SIGNATURE;
    unsigned char command, code;
    size_t n;

    if (memcmp(in.p, signature, known) != 0)
        return bad(why, "no PROXY header");
    if (in.n < V2_HEAD)
        return TG_PARSE_MORE;
    command = (unsigned char)in.p[12];
    code = (unsigned char)in.p[13];
    n = (size_t)((unsigned char)in.p[14] << 8 | (unsigned char)in.p[15]);
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return bad(why, "unknown version or command in a PROXY header");
    if (n > TG_PROXY_V2_MAX - V2_HEAD)
        return bad(why, "PROXY header too long");
    if (in.n - V2_HEAD < n)
        return TG_PARSE_MORE;
    *used = V2_HEAD + n;
    if (command == COMMAND_LOCAL)
        return TG_PARSE_DONE; /* section 2.2: a health check; family and addresses do not count */
    return read_block(code, (struct tg_str){in.p + V2_HEAD, n}, out, why);
}

enum tg_parse tg_proxy_read(struct tg_str in, struct tg_proxy *out, size_t *used, const char **why)
{
    *out = (struct tg_proxy){0};
    *used = 0;
    if (in.n == 0)
        return TG_PARSE_MORE;
    return in.p[0] == signature[0] ? read_v2(in, out, used, why) : read_v1(in, out, used, why);
}
