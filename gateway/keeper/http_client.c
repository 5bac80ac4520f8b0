/* libcurl's multi interface in an event loop. */
#include "keeper/http_client.h"

#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "net/resolver.h"
#include "net/timer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

struct tg_http_client {
    struct event_base *base;
    struct tg_resolver *resolver;
    CURLM *multi;
    struct tg_timer timer; /* libcurl's own */
    struct tg_http_call *calls;
};

struct tg_http_call {
    struct tg_http_client *client;
    CURL *easy;
    struct curl_slist *fields;
    struct curl_slist *proxy_fields;
    struct curl_slist *addresses;
    struct tg_lookup *lookup;
    struct tg_buf host; /* that is connected to: the URL's, or the proxy's */
    struct tg_buf body; /* of the answer */
    size_t head_bytes;  /* of the answer */
    uint16_t port;
    uint64_t deadline;       /* monotonic */
    struct tg_timer failing; /* tells, not from inside, that it did not begin */
    const char *why;
    void (*on_reply)(void *owner, const struct tg_http_reply *reply);
    void *owner;
    struct tg_http_call *next;
};

/* --- memory: tokens and keys go through it --- */

static void wipe_and_free(void *p)
{
    if (p == NULL)
        return;
    tg_wipe(p, malloc_usable_size(p));
    free(p);
}

static void *wipe_and_grow(void *p, size_t n)
{
    size_t old = p != NULL ? malloc_usable_size(p) : 0;
    void *grown = malloc(n);

    if (grown == NULL)
        return NULL;
    if (p != NULL)
        memcpy(grown, p, old < n ? old : n);
    wipe_and_free(p);
    return grown;
}

/* --- ends --- */

static void unlink_call(struct tg_http_call *call)
{
    struct tg_http_call **at = &call->client->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
}

static void end_call(struct tg_http_call *call)
{
    unlink_call(call);
    tg_lookup_cancel(call->lookup);
    tg_timer_end(&call->failing);
    curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->fields);
    curl_slist_free_all(call->proxy_fields);
    curl_slist_free_all(call->addresses);
    tg_buf_wipe(&call->body);
    tg_buf_end(&call->body);
    tg_buf_end(&call->host);
    free(call);
}

static void tell(struct tg_http_call *call, struct tg_http_reply *reply)
{
    reply->call = call;
    call->on_reply(call->owner, reply);
    end_call(call);
}

static void on_failing(void *owner)
{
    struct tg_http_call *call = owner;

    tell(call, &(struct tg_http_reply){.error = call->why});
}

static void fail_later(struct tg_http_call *call, const char *why)
{
    call->why = why;
    tg_timer_set(&call->failing, tg_clock_mono_now(), 0);
}

/* What a proxy said instead of making a tunnel; NULL: it said nothing, or made one. */
static const char *words_of_proxy(const struct tg_http_call *call)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status == 407 || status == 401)
        return "the proxy wants another user or password";
    return status >= 300 ? "the proxy makes no connection" : NULL;
}

/* What is told of libcurl's results: never what the other side said. */
static const char *words_for(CURLcode result, const struct tg_http_call *call)
{
    const char *words = words_of_proxy(call);

    if (words != NULL)
        return words;
    switch (result) {
    case CURLE_PROXY:
        return "no tunnel";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_COULDNT_CONNECT:
        return "no connection";
    case CURLE_PARTIAL_FILE:
        return "cut off";
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return "connection broken";
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
        return call->body.n > TG_HTTP_CLIENT_BODY || call->head_bytes > TG_HTTP_CLIENT_BODY
                   ? "too large"
                   : "not HTTP";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "certificate refused";
    case CURLE_SSL_CACERT_BADFILE:
        return "no authorities";
    case CURLE_SSL_CONNECT_ERROR:
        return "no TLS";
    default:
        return "not HTTP";
    }
}

/* --- what comes --- */

static size_t on_head(char *p, size_t size, size_t n, void *owner)
{
    struct tg_http_call *call = owner;

    (void)p;
    call->head_bytes += size * n;
    return call->head_bytes > TG_HTTP_CLIENT_BODY ? 0 : size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *owner)
{
    struct tg_http_call *call = owner;

    tg_buf_add(&call->body, (struct tg_str){p, size * n});
    return call->body.n > TG_HTTP_CLIENT_BODY ? 0 : size * n;
}

struct tg_str tg_http_reply_field(const struct tg_http_reply *reply, const char *name)
{
    struct curl_header *found;

    if (reply->status == 0 ||
        curl_easy_header(reply->call->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK ||
        found->amount != 1)
        return TG_STR("");
    return tg_str_of(found->value);
}

static void finish(struct tg_http_call *call, CURLcode result)
{
    struct tg_http_reply reply = {.call = call};
    curl_off_t wait = 0;
    long status = 0;

    if (result != CURLE_OK) {
        reply.error = words_for(result, call);
        tell(call, &reply);
        return;
    }
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &wait);
    reply.status = (int)status;
    reply.body = tg_buf_str(&call->body);
    reply.retry_after = wait > 0 && wait < INT32_MAX ? (unsigned)wait : 0;
    (void)tg_clock_date_read(tg_http_reply_field(&reply, "Date"), &reply.date);
    tell(call, &reply);
}

/* --- libcurl and the loop --- */

static void take_results(struct tg_http_client *c)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURLcode result = message->data.result;
        void *call = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, result);
    }
}

static void on_socket_event(evutil_socket_t fd, short what, void *owner)
{
    struct tg_http_client *c = owner;
    int running;

    curl_multi_socket_action(c->multi, fd,
                             (what & EV_READ ? CURL_CSELECT_IN : 0) |
                                 (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
                             &running);
    take_results(c);
}

static void on_timer(void *owner)
{
    struct tg_http_client *c = owner;
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_results(c);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *event)
{
    struct tg_http_client *c = owner;
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    (void)easy;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        event = event_new(c->base, fd, (short)(events | EV_PERSIST), on_socket_event, c);
        CHECK(event != NULL && event_add(event, NULL) == 0);
    }
    curl_multi_assign(c->multi, fd, event);
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *owner)
{
    struct tg_http_client *c = owner;

    (void)multi;
    if (ms < 0)
        tg_timer_clear(&c->timer);
    else
        tg_timer_set(&c->timer, tg_clock_mono_now(), ms * 1000);
    return 0;
}

struct tg_http_client *tg_http_client_new(struct event_base *base)
{
    struct tg_http_client *c = calloc(1, sizeof(*c));

    CHECK(c != NULL);
    CHECK(curl_global_init_mem(CURL_GLOBAL_ALL, malloc, wipe_and_free, wipe_and_grow, strdup,
                               calloc) == CURLE_OK);
    c->base = base;
    c->multi = curl_multi_init();
    CHECK(c->multi != NULL);
    tg_timer_init(&c->timer, base, on_timer, c);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    c->resolver = tg_resolver_new(base, TG_RESOLV_CONF, TG_HOSTS);
    return c;
}

void tg_http_client_end(struct tg_http_client *c)
{
    if (c == NULL)
        return;
    while (c->calls != NULL)
        end_call(c->calls);
    curl_multi_cleanup(c->multi);
    tg_timer_end(&c->timer);
    tg_resolver_end(c->resolver);
    curl_global_cleanup();
    free(c);
}

/* --- asking --- */

#define SET(easy, option, value) CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK)

/* What holds for all requests: everything libcurl would do by itself is off. */
static void set_up(CURL *easy, struct tg_http_call *call)
{
    SET(easy, CURLOPT_PRIVATE, call);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_NOPROXY, "*");
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_FORBID_REUSE, 1L);
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_CAPATH, NULL);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_USERAGENT, "trainguard/" TG_VERSION);
    SET(easy, CURLOPT_HEADERFUNCTION, on_head);
    SET(easy, CURLOPT_HEADERDATA, call);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, call);
}

static void add_line(struct curl_slist **lines, struct tg_str line)
{
    char text[16384];
    struct curl_slist *longer;

    CHECK(line.n < sizeof(text));
    snprintf(text, sizeof(text), "%.*s", TG_STR_ARG(line));
    longer = curl_slist_append(*lines, text);
    tg_wipe(text, line.n);
    CHECK(longer != NULL);
    *lines = longer;
}

static void set_fields(struct tg_http_call *call, struct tg_str lines)
{
    add_line(&call->fields, TG_STR("Expect:")); /* none, and no type but one of the caller's */
    add_line(&call->fields, TG_STR("Content-Type:"));
    add_line(&call->fields, TG_STR("Accept: application/json"));
    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n);
        size_t n = end != NULL ? (size_t)(end - lines.p) : lines.n;

        add_line(&call->fields, (struct tg_str){lines.p, n});
        lines = tg_str_skip(lines, end != NULL ? n + 1 : n);
    }
    SET(call->easy, CURLOPT_HTTPHEADER, call->fields);
}

/* The proxy sees where the question goes and what it is told itself: nothing of the question. */
static void set_proxy(struct tg_http_call *call, const struct tg_http_proxy *proxy)
{
    struct tg_buf text = {0};

    tg_buf_printf(&text, "%s://%s", proxy->tls ? "https" : "http", proxy->text);
    tg_buf_putc(&text, '\0');
    SET(call->easy, CURLOPT_PROXY, text.p);
    SET(call->easy, CURLOPT_NOPROXY, "");
    SET(call->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    SET(call->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(call->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    if (proxy->tls) {
        SET(call->easy, CURLOPT_PROXY_CAINFO, proxy->authorities);
        SET(call->easy, CURLOPT_PROXY_CAPATH, NULL);
    }
    if (proxy->authorization.n > 0) {
        text.n = 0;
        tg_buf_puts(&text, "Proxy-Authorization: ");
        tg_buf_add(&text, proxy->authorization);
        add_line(&call->proxy_fields, tg_buf_str(&text));
        SET(call->easy, CURLOPT_PROXYHEADER, call->proxy_fields);
    }
    tg_buf_wipe(&text);
    tg_buf_end(&text);
}

static void set_question(struct tg_http_call *call, const struct tg_http_question *q)
{
    struct tg_buf url = {0};

    tg_buf_add(&url, q->url);
    tg_buf_putc(&url, '\0');
    SET(call->easy, CURLOPT_URL, url.p);
    tg_buf_end(&url);
    SET(call->easy, CURLOPT_CAINFO, q->authorities);
    SET(call->easy, CURLOPT_CUSTOMREQUEST, q->method);
    if (strcmp(q->method, "GET") != 0) {
        SET(call->easy, CURLOPT_POSTFIELDSIZE, (long)q->body.n);
        SET(call->easy, CURLOPT_COPYPOSTFIELDS, q->body.n > 0 ? q->body.p : "");
    }
    set_fields(call, q->fields);
    if (q->proxy != NULL)
        set_proxy(call, q->proxy);
}

static void begin(struct tg_http_call *call)
{
    uint64_t now = tg_clock_mono_now();

    if (now >= call->deadline) {
        fail_later(call, "timeout");
        return;
    }
    SET(call->easy, CURLOPT_TIMEOUT_MS, (long)((call->deadline - now) / 1000 + 1));
    CHECK(curl_multi_add_handle(call->client->multi, call->easy) == CURLM_OK);
}

/* libcurl is told the addresses, so that it looks nothing up itself. */
static void on_addresses(void *owner, const struct tg_name_addresses *found, bool last)
{
    struct tg_http_call *call = owner;
    struct tg_buf text = {0};
    char address[INET6_ADDRSTRLEN];
    char separator = ':';

    if (!last)
        tg_lookup_cancel(call->lookup);
    call->lookup = NULL;
    tg_buf_printf(&text, "%.*s:%u", TG_STR_ARG(tg_buf_str(&call->host)), call->port);
    for (unsigned i = 0; i < found->nv4; i++, separator = ',')
        tg_buf_printf(&text, "%c%s", separator,
                      inet_ntop(AF_INET, &found->v4[i], address, sizeof(address)));
    for (unsigned i = 0; i < found->nv6; i++, separator = ',')
        tg_buf_printf(&text, "%c[%s]", separator,
                      inet_ntop(AF_INET6, &found->v6[i], address, sizeof(address)));
    tg_buf_putc(&text, '\0');
    call->addresses = curl_slist_append(NULL, text.p);
    tg_buf_end(&text);
    CHECK(call->addresses != NULL);
    SET(call->easy, CURLOPT_RESOLVE, call->addresses);
    begin(call);
}

static void on_no_addresses(void *owner, const char *why)
{
    struct tg_http_call *call = owner;

    (void)why;
    call->lookup = NULL;
    fail_later(call, "name not found");
}

static const struct tg_lookup_events lookup_events = {on_addresses, on_no_addresses};

static bool is_address(struct tg_str host)
{
    struct sockaddr_storage ignored;

    return tg_address_make(host, 0, &ignored) > 0;
}

struct tg_http_call *
tg_http_client_ask(struct tg_http_client *c, const struct tg_http_question *question,
                   void (*on_reply)(void *owner, const struct tg_http_reply *reply), void *owner)
{
    struct tg_http_call *call = calloc(1, sizeof(*call));
    struct tg_str host = question->proxy != NULL ? question->proxy->host : question->host;

    CHECK(call != NULL);
    call->client = c;
    call->easy = curl_easy_init();
    CHECK(call->easy != NULL);
    call->port = question->proxy != NULL ? question->proxy->port : question->port;
    call->deadline = tg_clock_mono_now() + question->timeout_ms * UINT64_C(1000);
    call->on_reply = on_reply;
    call->owner = owner;
    call->next = c->calls;
    c->calls = call;
    tg_buf_add(&call->host, host);
    tg_timer_init(&call->failing, c->base, on_failing, call);
    set_up(call->easy, call);
    set_question(call, question);
    if (is_address(host))
        begin(call);
    else
        call->lookup = tg_lookup_start(c->resolver, tg_buf_str(&call->host),
                                       question->timeout_ms * INT64_C(1000), &lookup_events, call);
    return call;
}

void tg_http_call_cancel(struct tg_http_call *call)
{
    if (call != NULL)
        end_call(call);
}

const char *tg_http_client_library(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}
