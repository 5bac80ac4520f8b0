/* Response heads of upstream servers. */
#include "http/response_head.h"

#include "base/chars.h"
#include "base/check.h"
#include "http/fields.h"

/* RFC 9112 section 4: HTTP-version SP status-code SP [ reason-phrase ]. `line` ends before its LF.
 * The second space is due even without a reason, but servers leave it out, and nothing is in doubt
 * then. */
static const char *read_status_line(struct tg_str line, struct tg_response_head *out)
{
    unsigned major;

    if (line.n < 13 || line.p[--line.n] != '\r')
        return "malformed status line";
    if (!tg_fields_version((struct tg_str){line.p, 8}, &major, &out->minor) || major != 1)
        return "status line without HTTP/1";
    if (line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' '))
        return "malformed status line";
    out->status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return "malformed status code";
        out->status = out->status * 10 + (line.p[i] - '0');
    }
    if (out->status < 100 || out->status > 599) /* RFC 9110 section 15 */
        return "status code out of range";
    if (out->status == 101) /* RFC 9110 section 7.8: only who asked for it gets it */
        return "protocol switched without being asked";
    out->reason = tg_str_skip(line, line.n > 12 ? 13 : 12);
    if (!tg_chars_are(out->reason, TG_CHAR_TEXT))
        return "control character in the reason phrase";
    return NULL;
}

/* RFC 9112 section 6.3 rule 1: what has no body whatever its fields say. */
static bool has_no_body(const struct tg_response_head *out, enum tg_answers asked)
{
    return asked == TG_ANSWERS_HEAD || out->status < 200 || out->status == 204 ||
           out->status == 304;
}

/* Fields that promise a body where none can be: an upstream that then sends one would have it read
 * as the next answer. RFC 9110 section 8.6, RFC 9112 section 6.1. */
static const char *bodiless_trouble(const struct tg_framing_fields *found,
                                    const struct tg_response_head *out)
{
    bool never = out->status < 200 || out->status == 204;

    if (never && (found->count[TG_FIELD_CODING] > 0 || out->length > 0))
        return "1xx or 204 answer that announces a body";
    return NULL;
}

/* The one place where the length of an answer's body is decided: RFC 9112 sections 6.1 to 6.3. */
static const char *decide_framing(const struct tg_framing_fields *found, enum tg_answers asked,
                                  struct tg_response_head *out)
{
    unsigned codings = found->count[TG_FIELD_CODING];
    unsigned lengths = found->count[TG_FIELD_LENGTH];

    out->length = 0;
    if (asked == TG_ANSWERS_CONNECT) { /* RFC 9110 section 9.3.6 */
        out->framing = TG_FRAMING_NONE;
        return NULL;
    }
    if (codings > 0 && lengths > 0) /* 6.3 rule 3 */
        return "Content-Length and Transfer-Encoding";
    if (codings > 1 || lengths > 1) /* 6.3 rule 5, 7.1 */
        return "more than one Content-Length or Transfer-Encoding";
    if (codings > 0 && out->minor == 0) /* 6.1 */
        return "Transfer-Encoding in HTTP/1.0";
    if (codings > 0 && !tg_str_ieq(found->value[TG_FIELD_CODING], TG_STR("chunked")))
        return "transfer coding not supported"; /* 6.1; TE was not sent, so none may be used */
    if (lengths > 0 && !tg_fields_length(found->value[TG_FIELD_LENGTH], &out->length))
        return "malformed Content-Length";
    if (has_no_body(out, asked)) { /* 6.3 rule 1 */
        const char *why = bodiless_trouble(found, out);

        out->framing = TG_FRAMING_NONE;
        return why;
    }
    out->framing = codings > 0   ? TG_FRAMING_CHUNKED /* 6.3 rule 4 */
                   : lengths > 0 ? TG_FRAMING_LENGTH  /* 6.3 rule 6 */
                                 : TG_FRAMING_CLOSE;  /* 6.3 rule 8 */
    return NULL;
}

static const char *read_fields(struct tg_str section, enum tg_answers asked,
                               struct tg_response_head *out)
{
    struct tg_framing_fields found;
    const char *why = NULL;

    if (tg_fields_read(section, section.n, TG_FIELDS_MAX, out->fields, &out->nfields, &why) !=
        TG_FIELDS_OK)
        return why;
    why = tg_fields_framing(out->fields, out->nfields, &found);
    if (why != NULL)
        return why;
    if (found.count[TG_FIELD_CONNECTION] > 1)
        return "more than one Connection field";
    out->connection =
        found.names_fields ? found.value[TG_FIELD_CONNECTION] : (struct tg_str){NULL, 0};
    why = decide_framing(&found, asked, out);
    if (why != NULL)
        return why;
    /* RFC 9112 section 9.3, and a body that ends with the connection leaves none to keep. */
    out->keep_alive =
        !found.close && (out->minor > 0 || found.keep_alive) && out->framing != TG_FRAMING_CLOSE;
    return NULL;
}

static const char *response_head_read_head(struct tg_str in, enum tg_answers asked,
                                           struct tg_response_head *out)
{
    const char *lf = memchr(in.p, '\n', in.n);
    const char *why;
    size_t line;

    CHECK(lf != NULL);
    line = (size_t)(lf - in.p);
    why = read_status_line((struct tg_str){in.p, line}, out);
    return why != NULL ? why : read_fields(tg_str_skip(in, line + 1), asked, out);
}

/* A head whose end is not there: is what came so far still good? */
static const char *judge_partial(struct tg_str in, size_t fresh, size_t max_head)
{
    const char *why = tg_fields_suspect(in, fresh);

    if (why != NULL)
        return why;
    if (in.n > 0 && memcmp(in.p, "HTTP/1.", in.n < 7 ? in.n : 7) != 0)
        return "status line without HTTP/1";
    return in.n >= max_head ? "answer's head too large" : NULL;
}

enum tg_parse tg_response_head_parse(struct tg_str in, size_t max_head, enum tg_answers asked,
                                     size_t *scanned, struct tg_response_head *out, size_t *used,
                                     const char **why)
{
    const char *trouble;
    size_t fresh = *scanned;
    size_t end;

    CHECK(fresh <= in.n);
    if (in.n > max_head)
        in.n = max_head;
    end = tg_fields_end(in, 0, scanned);
    if (end != 0) {
        CHECK(end <= in.n);
        trouble = response_head_read_head((struct tg_str){in.p, end}, asked, out);
        *used = end;
    } else {
        trouble = judge_partial(in, fresh, max_head);
    }
    if (trouble == NULL)
        return end != 0 ? TG_PARSE_DONE : TG_PARSE_MORE;
    *why = trouble;
    return TG_PARSE_BAD;
}
