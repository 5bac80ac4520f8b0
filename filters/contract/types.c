/* Rules about each member by itself: type, range, length, and whether the API knows it. */
#include "base/chars.h"
#include "base/check.h"
#include "base/utf8.h"
#include "contract/internal.h"

#include <inttypes.h>

/* Calls `check` for each member of the config and of the objects in it that the contract's tables
 * look into. `row` is NULL for a member that is in no table. */
typedef void member_check(struct tg_judge *j, uint32_t name,
                          const struct tg_contract_member *members,
                          const struct tg_contract_member *row);

static void each_member_of(struct tg_judge *j, uint32_t object,
                           const struct tg_contract_member *members, member_check *check);

static void types_look_into(struct tg_judge *j, uint32_t value,
                            const struct tg_contract_member *row, member_check *check)
{
    const struct tg_doc *d = j->doc;

    if (row->type == TG_CONTRACT_OBJECT && tg_doc_type(d, value) == TG_OBJECT)
        each_member_of(j, value, row->members, check);
    if (row->type != TG_CONTRACT_OBJECTS || tg_doc_type(d, value) != TG_ARRAY)
        return;
    for (uint32_t e = tg_doc_first(d, value); e != TG_NONE; e = tg_doc_next(d, e))
        if (tg_doc_type(d, e) == TG_OBJECT)
            each_member_of(j, e, row->members, check);
}

/* Recursion ends with the tables: no object in them has objects with members of their own. */
static void each_member_of(struct tg_judge *j, uint32_t object,
                           const struct tg_contract_member *members, member_check *check)
{
    for (uint32_t m = tg_doc_first(j->doc, object); m != TG_NONE; m = tg_doc_next(j->doc, m)) {
        const struct tg_contract_member *row = tg_contract_row(j->doc, members, m);

        check(j, m, members, row);
        if (row != NULL && row->members != NULL)
            types_look_into(j, tg_doc_value(j->doc, m), row, check);
    }
}

static void each_member(struct tg_judge *j, member_check *check)
{
    each_member_of(j, j->config, tg_contract_config, check);
}

/* --- what can be wrong with a member --- */

static const struct {
    enum tg_node_type node;
    const char *text;
    const char *text_zh;
} types[] = {
    [TG_CONTRACT_STRING] = {TG_STRING, "must be a string", "必须是字符串"},
    [TG_CONTRACT_INTEGER] = {TG_NUMBER, "must be an integer", "必须是整数"},
    [TG_CONTRACT_OBJECT] = {TG_OBJECT, "must be an object", "必须是对象"},
    [TG_CONTRACT_OBJECTS] = {TG_ARRAY, "must be an array of objects", "必须是对象数组"},
    [TG_CONTRACT_ARRAY] = {TG_ARRAY, "must be an array", "必须是数组"},
};

/* A number that is spelt as an integer must be: digits, with a minus where it is below zero. */
static bool types_is_plain(struct tg_str number)
{
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] == '.' || (number.p[i] | 0x20) == 'e')
            return false;
    return !tg_str_eq(number, TG_STR("-0"));
}

static bool has_other_elements(const struct tg_doc *d, uint32_t array)
{
    for (uint32_t e = tg_doc_first(d, array); e != TG_NONE; e = tg_doc_next(d, e))
        if (tg_doc_type(d, e) != TG_OBJECT)
            return true;
    return false;
}

static bool has_wrong_type(const struct tg_doc *d, uint32_t value,
                           const struct tg_contract_member *row)
{
    enum tg_node_type type = tg_doc_type(d, value);

    if (row->type == TG_CONTRACT_ANY || type == TG_NULL)
        return false;
    return type != types[row->type].node ||
           (type == TG_NUMBER && !types_is_plain(tg_doc_text(d, value))) ||
           (row->type == TG_CONTRACT_OBJECTS && has_other_elements(d, value));
}

static bool is_out_of_range(const struct tg_doc *d, uint32_t value,
                            const struct tg_contract_member *row)
{
    int64_t n;

    return row->type == TG_CONTRACT_INTEGER && tg_doc_type(d, value) == TG_NUMBER &&
           types_is_plain(tg_doc_text(d, value)) &&
           (!tg_doc_integer(d, value, &n) || n < row->min || n > row->max);
}

/* There are no more characters than bytes in a string's text. */
static bool is_too_long(const struct tg_doc *d, uint32_t value,
                        const struct tg_contract_member *row)
{
    return row->type == TG_CONTRACT_STRING && row->max > 0 && tg_doc_type(d, value) == TG_STRING &&
           tg_doc_text(d, value).n > (size_t)row->max &&
           tg_utf8_length(tg_doc_string(d, value)) > (size_t)row->max;
}

/* A request that creates a config names it in its body. */
static bool is_of_answers(const struct tg_judge *j, const struct tg_contract_member *row)
{
    return (row->flags & TG_CONTRACT_RESPONSE) &&
           (row != &tg_contract_config[TG_CONFIG_NAME] || j->request->config_name.n > 0);
}

/* Most members are strings where one belongs: neither type nor range can be wrong with them. */
static unsigned string_faults(const struct tg_doc *d, uint32_t value,
                              const struct tg_contract_member *row)
{
    unsigned faults = is_too_long(d, value, row) ? TG_FAULT_LENGTH : 0U;

    if ((row->flags & TG_CONTRACT_OBS) && !tg_contract_absent(d, value, row))
        faults |= tg_judge_path_faults(d, value, row);
    return faults;
}

static unsigned member_faults(const struct tg_judge *j, uint32_t value,
                              const struct tg_contract_member *row)
{
    const struct tg_doc *d = j->doc;
    unsigned answer = is_of_answers(j, row) ? TG_FAULT_ANSWER : 0U;

    if (row->type == TG_CONTRACT_STRING && tg_doc_type(d, value) == TG_STRING)
        return answer | string_faults(d, value, row);
    return answer | (has_wrong_type(d, value, row) ? TG_FAULT_TYPE : 0U) |
           (is_out_of_range(d, value, row) ? TG_FAULT_RANGE : 0U);
}

static void types_look(struct tg_judge *j, uint32_t name, const struct tg_contract_member *members,
                       const struct tg_contract_member *row)
{
    (void)members;
    j->faults |= row != NULL ? member_faults(j, tg_doc_value(j->doc, name), row) : TG_FAULT_NAME;
}

void tg_judge_look(struct tg_judge *j)
{
    const struct tg_contract_view *view = tg_contract_members(j->doc, j->config);

    j->faults = view->unknown ? TG_FAULT_NAME : 0U;
    for (unsigned i = 0; i < TG_CONFIG_ROWS; i++) {
        const struct tg_contract_member *row = &tg_contract_config[i];
        uint32_t value = view->value[i];

        if (value == TG_NONE)
            continue;
        if (i < TG_CONFIG_MEMBERS && !tg_contract_absent(j->doc, value, row))
            j->present |= (uint32_t)1 << i;
        j->faults |= member_faults(j, value, row);
        if (row->members != NULL)
            types_look_into(j, value, row, types_look);
    }
    tg_judge_labels(j);
}

/* --- type --- */

static void say_spelling(struct tg_judge *j, uint32_t node)
{
    if (tg_str_eq(tg_doc_text(j->doc, node), TG_STR("-0")))
        tg_judge_say(j, node, "must be an integer: write 0, not -0",
                     "必须是整数: 应写作 0, 而不是 -0");
    else
        tg_judge_say(j, node, "must be an integer without fraction or exponent",
                     "必须是整数, 不能带小数部分或指数");
}

static void check_elements(struct tg_judge *j, uint32_t array)
{
    for (uint32_t e = tg_doc_first(j->doc, array); e != TG_NONE; e = tg_doc_next(j->doc, e))
        if (tg_doc_type(j->doc, e) != TG_OBJECT)
            tg_judge_say(j, e, "must be an object", "必须是对象");
}

static void check_type(struct tg_judge *j, uint32_t name, const struct tg_contract_member *members,
                       const struct tg_contract_member *row)
{
    uint32_t value = tg_doc_value(j->doc, name);

    (void)members;
    if (row == NULL || !has_wrong_type(j->doc, value, row))
        return;
    if (tg_doc_type(j->doc, value) != types[row->type].node)
        tg_judge_say(j, value, "%s%.0s", "%.0s%s", types[row->type].text, types[row->type].text_zh);
    else if (row->type == TG_CONTRACT_INTEGER)
        say_spelling(j, value);
    else
        check_elements(j, value);
}

void tg_check_type(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_TYPE)
        each_member(j, check_type);
}

/* --- range --- */

static void check_range(struct tg_judge *j, uint32_t name, const struct tg_contract_member *members,
                        const struct tg_contract_member *row)
{
    uint32_t node = tg_doc_value(j->doc, name);
    int64_t value;

    (void)members;
    if (row == NULL || !is_out_of_range(j->doc, node, row))
        return;
    CHECK(row->min <= row->max);
    if (!tg_doc_integer(j->doc, node, &value))
        tg_judge_say(j, node,
                     "must be from %" PRId64 " to %" PRId64 ", the range of a 64-bit integer",
                     "必须在 %" PRId64 " 到 %" PRId64 " 之间 (64 位整数范围)", row->min, row->max);
    else if (value < row->min)
        tg_judge_say(j, node, "must be at least %" PRId64, "不能小于 %" PRId64, row->min);
    else
        tg_judge_say(j, node, "must be at most %" PRId64, "不能大于 %" PRId64, row->max);
}

void tg_check_range(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_RANGE)
        each_member(j, check_range);
}

/* --- length --- */

static void check_length(struct tg_judge *j, uint32_t name,
                         const struct tg_contract_member *members,
                         const struct tg_contract_member *row)
{
    uint32_t value = tg_doc_value(j->doc, name);

    (void)members;
    if (row != NULL && is_too_long(j->doc, value, row))
        tg_judge_say(j, value, "must have at most %" PRId64 " characters, has %zu",
                     "不能超过 %" PRId64 " 个字符, 现有 %zu 个", row->max,
                     tg_utf8_length(tg_doc_string(j->doc, value)));
}

void tg_check_length(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_LENGTH)
        each_member(j, check_length);
}

/* --- spelling --- */

/* What leads from a member to what is in it, where names are read as paths, or ends a name where
 * texts end with a zero byte. */
static bool leads_on(uint32_t code)
{
    return code == '.' || code == '[' || code == '/' || code == ':' || code == 0;
}

/* A name as lenient readers of JSON take it, one letter or digit at a time: they mind no case and
 * pass over signs and what is not seen. */
struct reader {
    struct tg_str rest;
    uint32_t folded[TG_UTF8_FOLDED]; /* of the character before `rest`, the last `left` of `n` */
    unsigned n, left;
    bool led; /* a sign that leads on was among those passed over last */
};

/* False at the end. */
static bool next_code(struct reader *r, uint32_t *code)
{
    if (r->left == 0) {
        size_t n = tg_utf8_decode(r->rest, code);

        CHECK(n > 0 || r->rest.n == 0);
        if (n == 0)
            return false;
        r->rest = tg_str_skip(r->rest, n);
        r->n = r->left = tg_utf8_fold(*code, r->folded);
    }
    *code = r->folded[r->n - r->left--];
    return true;
}

/* 0 at the end. */
static uint32_t next_letter(struct reader *r)
{
    uint32_t code;

    r->led = false;
    while (next_code(r, &code)) {
        r->led |= leads_on(code);
        if (code < 0x80 ? tg_char_is((char)code, TG_CHAR_ALPHANUMERIC) : !tg_utf8_is_nothing(code))
            return code;
    }
    return 0;
}

bool tg_contract_reads_alike(struct tg_str written, struct tg_str known)
{
    struct reader a = {.rest = written}, b = {.rest = known};
    uint32_t one, other;

    do {
        one = next_letter(&a);
        other = next_letter(&b);
    } while (one == other && one != 0);
    return one == other || (other == 0 && a.led);
}

static void say_written(struct tg_judge *j, uint32_t name, const char *right)
{
    j->rule = tg_contract_rule("spelling");
    tg_judge_say(j, name, "must be written \"%s\"", "应写作 \"%s\"", right);
}

/* A reader that takes "Spec_Id" for spec_id would take a value that no rule has seen. */
static void check_spelling_of_name(struct tg_judge *j, uint32_t name,
                                   const struct tg_contract_member *members)
{
    for (; members->name != NULL; members++) {
        if (!tg_contract_reads_alike(tg_doc_string(j->doc, name), tg_str_of(members->name)))
            continue;
        say_written(j, name, members->name);
        return;
    }
}

/* The old name of `label` is in no table, but `normalize` and the service know it. */
static void check_spelling(struct tg_judge *j, uint32_t name,
                           const struct tg_contract_member *members,
                           const struct tg_contract_member *row)
{
    static const struct tg_str old = {"key", 3};
    struct tg_str text;
    bool renamed;

    if (row != NULL)
        return;
    text = tg_doc_string(j->doc, name);
    renamed = members == tg_contract_config[TG_PARAMETER].members;
    if (renamed && tg_str_eq(text, old))
        return;
    if (renamed && tg_contract_reads_alike(text, old))
        say_written(j, name, "label");
    else
        check_spelling_of_name(j, name, members);
}

/* The objects in a config whose own members are all known. */
static void check_inner_spelling(struct tg_judge *j)
{
    const uint8_t *numbers = tg_contract_notes(j->doc)->node;

    for (uint32_t m = tg_doc_first(j->doc, j->config); m != TG_NONE; m = tg_doc_next(j->doc, m)) {
        const struct tg_contract_member *row;

        CHECK(numbers[m] != 0 && numbers[m] != TG_CONTRACT_UNKNOWN);
        row = &tg_contract_config[numbers[m] - 1];
        if (row->members != NULL)
            types_look_into(j, tg_doc_value(j->doc, m), row, check_spelling);
    }
}

void tg_check_spelling(struct tg_judge *j)
{
    if (tg_contract_members(j->doc, j->config)->unknown)
        each_member(j, check_spelling);
    else
        check_inner_spelling(j);
}

/* --- unknown --- */

/* True when the place is refused already, for a reason that says more. */
static bool is_refused(const struct tg_judge *j, uint32_t node)
{
    for (const struct tg_finding *f = j->request->report.first; f != NULL; f = f->next)
        if (f->severity == TG_VIOLATION && f->offset == tg_doc_offset(j->doc, node) &&
            f->offset != TG_NONE)
            return true;
    return false;
}

static void check_unknown(struct tg_judge *j, uint32_t name,
                          const struct tg_contract_member *members,
                          const struct tg_contract_member *row)
{
    const char *near;

    if (row != NULL && !is_of_answers(j, row))
        return;
    if (!tg_judge_wants(j)) {
        tg_judge_say(j, name, "unknown", "未定义");
        return;
    }
    if (is_refused(j, name))
        return;
    if (row != NULL) {
        tg_judge_say(j, name, "is a member of answers only, leave it out",
                     "仅出现在查询结果中, 请求中应去掉");
        return;
    }
    near = tg_contract_nearest(members, tg_doc_string(j->doc, name));
    if (near != NULL)
        tg_judge_say(j, name, "is not a member the API knows, did you mean \"%s\"?",
                     "不是 API 定义的参数, 是否应为 \"%s\"?", near);
    else
        tg_judge_say(j, name, "is not a member the API knows", "不是 API 定义的参数");
}

void tg_check_unknown(struct tg_judge *j)
{
    if (j->faults & (TG_FAULT_NAME | TG_FAULT_ANSWER))
        each_member(j, check_unknown);
}
