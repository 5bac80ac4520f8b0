/* Writing JSON, commas included. */
#include "base/json_writer.h"

#include "base/clock.h"

#include "base/check.h"

/* A string ends with its quote, a number with a digit: what a text ends with tells where it is. */
static void separate(struct tg_buf *out)
{
    if (out->n > 0 && memchr("{[:,\n", out->p[out->n - 1], 5) == NULL)
        tg_buf_putc(out, ',');
}

void tg_json_begin(struct tg_buf *out, char bracket)
{
    CHECK(bracket == '{' || bracket == '[');
    separate(out);
    tg_buf_putc(out, bracket);
}

void tg_json_end(struct tg_buf *out, char bracket)
{
    CHECK(bracket == '}' || bracket == ']');
    tg_buf_putc(out, bracket);
}

void tg_json_line(struct tg_buf *out)
{
    separate(out);
    tg_buf_putc(out, '\n');
}

void tg_json_string(struct tg_buf *out, struct tg_str value)
{
    separate(out);
    tg_buf_json(out, value);
}

void tg_json_number(struct tg_buf *out, uint64_t value)
{
    separate(out);
    tg_buf_u64(out, value);
}

void tg_json_raw(struct tg_buf *out, struct tg_str json)
{
    CHECK(json.n > 0);
    separate(out);
    tg_buf_add(out, json);
}

void tg_json_name(struct tg_buf *out, const char *name)
{
    tg_json_string(out, tg_str_of(name));
    tg_buf_putc(out, ':');
}

void tg_json_member(struct tg_buf *out, const char *name, struct tg_str value)
{
    tg_json_name(out, name);
    tg_buf_json(out, value);
}

void tg_json_member_number(struct tg_buf *out, const char *name, uint64_t value)
{
    tg_json_name(out, name);
    tg_buf_u64(out, value);
}

void tg_json_member_bool(struct tg_buf *out, const char *name, bool value)
{
    tg_json_member_raw(out, name, value ? TG_STR("true") : TG_STR("false"));
}

void tg_json_member_raw(struct tg_buf *out, const char *name, struct tg_str json)
{
    tg_json_name(out, name);
    tg_json_raw(out, json);
}

void tg_json_member_begin(struct tg_buf *out, const char *name, char bracket)
{
    tg_json_name(out, name);
    tg_json_begin(out, bracket);
}

void tg_json_member_time(struct tg_buf *out, const char *name, int64_t us)
{
    char text[TG_CLOCK_TEXT];

    if (us == 0) {
        tg_json_member_raw(out, name, TG_STR("null"));
        return;
    }
    tg_clock_text(us, text);
    tg_json_member(out, name, tg_str_of(text));
}
