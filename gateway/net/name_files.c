/* What /etc/resolv.conf and /etc/hosts say about names. */
#include "net/name_files.h"

#include "base/address.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { DNS_PORT = 53, MAX_NDOTS = 15, ADDRESS_TEXT = INET6_ADDRSTRLEN + 8 };

/* --- lines and words --- */

/* Takes the next line, without its end and without a comment. False at the end. */
static bool next_line(struct tg_str *rest, const char *comment, struct tg_str *line)
{
    const char *end;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    line->p = rest->p;
    line->n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    *rest = tg_str_skip(*rest, end != NULL ? line->n + 1 : line->n);
    for (size_t i = 0; i < line->n; i++)
        if (strchr(comment, line->p[i]) != NULL)
            line->n = i;
    return true;
}

static bool name_files_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word of a line; empty at the end. */
static struct tg_str name_files_next_word(struct tg_str *line)
{
    struct tg_str word;

    while (line->n > 0 && name_files_is_blank(*line->p))
        *line = tg_str_skip(*line, 1);
    word = (struct tg_str){line->p, 0};
    while (word.n < line->n && !name_files_is_blank(word.p[word.n]))
        word.n++;
    *line = tg_str_skip(*line, word.n);
    return word;
}

static struct tg_str without_dot(struct tg_str name)
{
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    return name;
}

/* --- resolv.conf --- */

static uint16_t name_files_read_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && port > 0 && port <= 65535
               ? (uint16_t)port
               : 0;
}

/* Cuts the port off an address's text, and the brackets; 0 when that is not a port. */
static uint16_t cut_port(char **text)
{
    char *end = **text == '[' ? strchr(*text, ']') : strchr(*text, ':');

    if (**text == '[') {
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return 0;
        *end++ = '\0';
        ++*text;
    } else if (end == NULL || strchr(end + 1, ':') != NULL) {
        return DNS_PORT; /* no colon, or those of an IPv6 address */
    }
    if (*end == '\0')
        return DNS_PORT;
    *end = '\0';
    return name_files_read_port(end + 1);
}

static void add_server(struct tg_name_conf *out, struct tg_str word)
{
    struct sockaddr_storage *server = &out->server[out->nservers];
    char copy[ADDRESS_TEXT], *text = copy;
    uint16_t port;

    if (out->nservers == TG_NAME_SERVERS || word.n >= sizeof(copy))
        return;
    memcpy(copy, word.p, word.n);
    copy[word.n] = '\0';
    port = cut_port(&text);
    if (tg_address_make(tg_str_of(text), port, server) > 0)
        out->nservers += port != 0;
}

static void read_search(struct tg_name_conf *out, struct tg_str line)
{
    struct tg_str word;

    out->ndomains = 0;
    while ((word = without_dot(name_files_next_word(&line))).n > 0) {
        if (out->ndomains == TG_NAME_DOMAINS || word.n >= TG_NAME_TEXT ||
            tg_str_eq(word, TG_STR(".")))
            continue;
        memcpy(out->domain[out->ndomains], word.p, word.n);
        out->domain[out->ndomains++][word.n] = '\0';
    }
}

static void name_files_read_options(struct tg_name_conf *out, struct tg_str line)
{
    const struct tg_str ndots = TG_STR("ndots:");
    struct tg_str word;

    while ((word = name_files_next_word(&line)).n > 0) {
        unsigned n = 0;

        if (!tg_str_starts(word, ndots) || word.n == ndots.n)
            continue;
        for (size_t i = ndots.n; i < word.n && word.p[i] >= '0' && word.p[i] <= '9'; i++)
            n = n > MAX_NDOTS ? n : n * 10 + (unsigned)(word.p[i] - '0');
        out->ndots = n > MAX_NDOTS ? MAX_NDOTS : n;
    }
}

static void use_loopback(struct tg_name_conf *out)
{
    add_server(out, TG_STR("127.0.0.1"));
    CHECK(out->nservers == 1);
}

void tg_name_conf_parse(struct tg_name_conf *out, struct tg_str bytes)
{
    struct tg_str line;

    *out = (struct tg_name_conf){.ndots = 1};
    while (next_line(&bytes, "#;", &line)) {
        struct tg_str word = name_files_next_word(&line);

        if (tg_str_eq(word, TG_STR("nameserver")))
            add_server(out, name_files_next_word(&line));
        else if (tg_str_eq(word, TG_STR("search")) || tg_str_eq(word, TG_STR("domain")))
            read_search(out, line);
        else if (tg_str_eq(word, TG_STR("options")))
            name_files_read_options(out, line);
    }
    if (out->nservers == 0)
        use_loopback(out);
}

/* --- the search list --- */

static unsigned count_dots(struct tg_str name)
{
    unsigned dots = 0;

    for (size_t i = 0; i < name.n; i++)
        dots += name.p[i] == '.';
    return dots;
}

/* Writes the name in a domain ("" is the root); false when that is too long. */
static bool write_name(struct tg_str name, const char *domain, char out[TG_NAME_TEXT])
{
    int n = snprintf(out, TG_NAME_TEXT, "%.*s%s%s", TG_STR_ARG(name), *domain != '\0' ? "." : "",
                     domain);

    return n > 0 && n < TG_NAME_TEXT;
}

bool tg_name_candidate(const struct tg_name_conf *conf, struct tg_str name, unsigned k,
                       char out[TG_NAME_TEXT])
{
    bool absolute = without_dot(name).n < name.n;
    unsigned domains = absolute ? 0 : conf->ndomains;
    unsigned bare = count_dots(name) >= conf->ndots ? 0 : domains; /* place of the name itself */

    for (unsigned i = 0; i <= domains; i++) {
        const char *domain = i == bare ? "" : conf->domain[i > bare ? i - 1 : i];

        if (write_name(without_dot(name), domain, out) && k-- == 0)
            return true;
    }
    return false;
}

/* --- hosts --- */

static bool line_has(struct tg_str line, struct tg_str name)
{
    struct tg_str word;

    while ((word = name_files_next_word(&line)).n > 0)
        if (tg_str_ieq(without_dot(word), name))
            return true;
    return false;
}

static void add_address(struct tg_name_addresses *out, struct tg_str word)
{
    if (out->nv4 < TG_NAME_ADDRESSES && tg_address_read(AF_INET, word, &out->v4[out->nv4]))
        out->nv4++;
    else if (out->nv6 < TG_NAME_ADDRESSES && tg_address_read(AF_INET6, word, &out->v6[out->nv6]))
        out->nv6++;
}

static bool is_localhost(struct tg_str name)
{
    const struct tg_str localhost = TG_STR("localhost"), below = TG_STR(".localhost");

    return tg_str_ieq(name, localhost) ||
           (name.n > below.n && tg_str_ieq(tg_str_skip(name, name.n - below.n), below));
}

bool tg_hosts_find(struct tg_str bytes, struct tg_str name, struct tg_name_addresses *out)
{
    struct tg_str line;

    name = without_dot(name);
    *out = (struct tg_name_addresses){.ttl = UINT32_MAX};
    while (next_line(&bytes, "#", &line)) {
        struct tg_str address = name_files_next_word(&line);

        if (line_has(line, name))
            add_address(out, address);
    }
    if (out->nv4 + out->nv6 == 0 && is_localhost(name)) {
        out->v4[out->nv4++].s_addr = htonl(INADDR_LOOPBACK);
        out->v6[out->nv6++] = in6addr_loopback;
    }
    return out->nv4 + out->nv6 > 0;
}
