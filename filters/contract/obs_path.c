/* The form of OBS paths. */
#include "contract/obs_path.h"

#include "base/chars.h"
#include "base/check.h"

enum fault { START, BUCKET, ADDRESS, DOUBLE, DOTS, CHARACTER, CONTROL, LONG };

static const struct tg_obs_fault faults[] = {
    [START] = {"It must start with \"/\" and a bucket.", "路径必须以 / 和桶名开头。"},
    [BUCKET] = {"The bucket's name must have 3 to 63 of a-z, 0-9, \".\" and \"-\", start and end "
                "with a letter or digit, and not have \"..\", \".-\" or \"-.\".",
                "桶名必须由 3 到 63 个小写字母, 数字, 点或中划线组成, 以字母或数字开头和结尾, "
                "且不能包含 \"..\", \".-\" 或 \"-.\"。"},
    [ADDRESS] = {"The bucket's name must not be an IPv4 address.", "桶名不能是 IPv4 地址。"},
    [DOUBLE] = {"It must not have \"//\".", "路径不能包含 \"//\"。"},
    [DOTS] = {"It must not have a segment \".\" or \"..\".", "路径不能包含 \".\" 或 \"..\" 段。"},
    [CHARACTER] = {"It must not have a space or one of ' { } [ ].",
                   "路径不能包含空格或 ' { } [ ]。"},
    [CONTROL] = {"It must not have control characters.", "路径不能包含控制字符。"},
    [LONG] = {"It must not have more than 1023 bytes behind the bucket.",
              "桶名之后不能超过 1023 字节。"},
};

/* What a byte may be: anything else, what a bucket's name may have at its ends, a sign between
 * names, the lead of a C1 control (U+0080 to U+009F), a control, not allowed. */
enum { PLAIN, SMALL, SIGNS, LEADS, CONTROLS, BARRED };

static const unsigned char kinds[256] = {
    [0 ... 0x1f] = CONTROLS, [0x7f] = CONTROLS, [0xc2] = LEADS, [' '] = BARRED,
    ['\''] = BARRED,         ['{'] = BARRED,    ['}'] = BARRED, ['['] = BARRED,
    [']'] = BARRED,          ['/'] = SIGNS,     ['.'] = SIGNS,  ['a' ... 'z'] = SMALL,
    ['0' ... '9'] = SMALL,
};

static unsigned kind_of(char c)
{
    return kinds[(unsigned char)c];
}

static bool is_lower_or_digit(char c)
{
    return kind_of(c) == SMALL;
}

static bool is_bucket(struct tg_str name)
{
    if (name.n < 3 || name.n > 63)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool edge = i == 0 || i + 1 == name.n;

        if (is_lower_or_digit(c))
            continue;
        if ((c != '.' && c != '-') || edge)
            return false;
        /* two marks side by side are only legal as "--" */
        if (!is_lower_or_digit(name.p[i + 1]) && (c == '.' || name.p[i + 1] == '.'))
            return false;
    }
    return true;
}

/* Four numbers of one to three digits. */
static bool obs_path_is_address(struct tg_str name)
{
    unsigned digits = 0;
    unsigned dots = 0;

    for (size_t i = 0; i < name.n; i++) {
        if (tg_char_is(name.p[i], TG_CHAR_DIGIT)) {
            if (++digits > 3)
                return false;
        } else if (name.p[i] == '.' && digits > 0) {
            dots++;
            digits = 0;
        } else {
            return false;
        }
    }
    return dots == 3 && digits > 0;
}

static const struct tg_obs_fault *check_characters(struct tg_str path)
{
    for (size_t i = 0; i < path.n; i++) {
        unsigned kind = kind_of(path.p[i]);

        if (kind <= SIGNS)
            continue;
        if (kind == CONTROLS ||
            (kind == LEADS && i + 1 < path.n && (unsigned char)path.p[i + 1] < 0xa0))
            return &faults[CONTROL];
        if (kind == BARRED)
            return &faults[CHARACTER];
    }
    return NULL;
}

static const struct tg_obs_fault *check_segment(struct tg_str segment)
{
    return tg_str_eq(segment, TG_STR(".")) || tg_str_eq(segment, TG_STR("..")) ? &faults[DOTS]
                                                                               : NULL;
}

/* `key` is what follows the slash behind the bucket. */
static const struct tg_obs_fault *obs_path_check_key(struct tg_str key)
{
    size_t start = 0;

    for (size_t i = 0; i <= key.n; i++) {
        const struct tg_obs_fault *fault;

        if (i < key.n && key.p[i] != '/')
            continue;
        if (i == start && i < key.n)
            return &faults[DOUBLE];
        fault = check_segment((struct tg_str){key.p + start, i - start});
        if (fault != NULL)
            return fault;
        start = i + 1;
    }
    return key.n > TG_OBS_MAX_KEY ? &faults[LONG] : NULL;
}

static size_t bucket_length(struct tg_str path)
{
    size_t n = 0;

    while (1 + n < path.n && path.p[1 + n] != '/')
        n++;
    return n;
}

static size_t simple_bucket_length(struct tg_str path)
{
    size_t n = 0;

    while (1 + n < path.n && is_lower_or_digit(path.p[1 + n]))
        n++;
    return n;
}

/* True for most paths that are well formed, for no other one: no signs in the bucket, none beside
 * each other in the key. One look at each byte tells. */
static bool is_simple(struct tg_str path)
{
    size_t bucket = simple_bucket_length(path);
    size_t sign = bucket + 1; /* where the last one stands */

    if (bucket < 3 || bucket > 63 || path.n > bucket + 2 + TG_OBS_MAX_KEY)
        return false;
    if (path.n > bucket + 1 && path.p[bucket + 1] != '/')
        return false;
    for (size_t i = bucket + 2; i < path.n; i++) {
        unsigned kind = kind_of(path.p[i]);

        if (kind <= SMALL)
            continue;
        if (kind != SIGNS || i == sign + 1)
            return false;
        sign = i;
    }
    return true;
}

const struct tg_obs_fault *tg_obs_path_check(struct tg_str path)
{
    const struct tg_obs_fault *fault;
    struct tg_str bucket;

    if (path.n > 0 && path.p[0] == '/' && is_simple(path))
        return NULL;
    if (path.n == 0 || path.p[0] != '/')
        return &faults[START];
    if (path.n > 1 && path.p[1] == '/')
        return &faults[DOUBLE];
    fault = check_characters(path);
    if (fault != NULL)
        return fault;
    bucket = (struct tg_str){path.p + 1, bucket_length(path)};
    if (!is_bucket(bucket))
        return check_segment(bucket) != NULL ? &faults[DOTS] : &faults[BUCKET];
    if (obs_path_is_address(bucket))
        return &faults[ADDRESS];
    return obs_path_check_key(tg_obs_path_key(path));
}

struct tg_str tg_obs_path_key(struct tg_str path)
{
    size_t skip = 1 + bucket_length(path);

    CHECK(path.n >= 1);
    if (skip < path.n)
        skip++; /* the slash */
    return tg_str_skip(path, skip);
}
