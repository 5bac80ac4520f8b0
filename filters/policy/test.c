/* The test words: what they take, what they apply to, how they judge one value. */
#include "base/check.h"
#include "base/utf8.h"
#include "contract/contract.h"
#include "contract/obs_path.h"
#include "policy/internal.h"

#include <stdio.h>

enum operands {
    OPERANDS_NONE = 1,
    OPERANDS_TEXT,
    OPERANDS_NUMBER,
    OPERANDS_LENGTH,
    OPERANDS_PATTERN
};

typedef enum tg_rule_result tg_policy_compare(const struct tg_policy_nodes *now,
                                              const struct tg_policy_nodes *old);

struct tg_policy_word {
    const char *name;
    enum operands operands;
    unsigned types; /* enum tg_policy_types it can apply to */
    tg_policy_judge *run;
    const char *words; /* before the operands */
    const char *words_zh;
    const char *tail;
    const char *tail_zh;
    tg_policy_compare *compare; /* of a test that compares with the old config */
};

static enum tg_rule_result result_of(bool holds)
{
    return holds ? TG_RULE_PASS : TG_RULE_FAIL;
}

static bool is_text(const struct tg_policy_seen *s)
{
    return s->type == TG_STRING || s->type == TG_NUMBER;
}

static bool is_scalar(const struct tg_policy_seen *s)
{
    return is_text(s) || s->type == TG_TRUE || s->type == TG_FALSE;
}

/* --- equality --- */

/* True when the text is a spelling of one of the operands that are numbers. */
static bool equals_a_number(const struct tg_policy_test *t, struct tg_str text)
{
    struct tg_decimal number;
    bool is_read = false;

    for (unsigned i = 0; i < t->noperands; i++) {
        if (!t->operands[i].is_number)
            continue;
        if (!is_read && !tg_decimal_read(text, &number))
            return false;
        is_read = true;
        if (tg_decimal_compare(&number, &t->operands[i].number) == 0)
            return true;
    }
    return false;
}

static bool equals_a_text(const struct tg_policy_test *t, struct tg_str text)
{
    for (unsigned i = 0; i < t->noperands; i++)
        if (tg_str_eq(text, t->operands[i].text))
            return true;
    return false;
}

/* A string is its text, a number its value: 7 equals 7.0, "7" does not equal "7.0". */
static bool equals_one(const struct tg_policy_test *t, const struct tg_policy_seen *s)
{
    return s->type == TG_NUMBER ? equals_a_number(t, s->text) : equals_a_text(t, s->text);
}

static enum tg_rule_result judge_in(const struct tg_policy_test *t, const struct tg_policy_seen *s)
{
    return result_of(is_scalar(s) && equals_one(t, s));
}

/* What is forbidden is so in every spelling of its number. */
static enum tg_rule_result judge_not_in(const struct tg_policy_test *t,
                                        const struct tg_policy_seen *s)
{
    return result_of(is_scalar(s) && !equals_one(t, s) && !equals_a_number(t, s->text));
}

/* --- size --- */

/* Compares the value with the test's bound; false when it is no number. */
static bool test_compare(const struct tg_policy_test *t, const struct tg_policy_seen *s, int *out)
{
    struct tg_decimal number;

    CHECK(t->noperands == 1 && t->operands[0].is_number);
    if (!is_text(s) || !tg_decimal_read(s->text, &number))
        return false;
    *out = tg_decimal_compare(&number, &t->operands[0].number);
    return true;
}

static enum tg_rule_result judge_min(const struct tg_policy_test *t, const struct tg_policy_seen *s)
{
    int order;

    return result_of(test_compare(t, s, &order) && order >= 0);
}

static enum tg_rule_result judge_max(const struct tg_policy_test *t, const struct tg_policy_seen *s)
{
    int order;

    return result_of(test_compare(t, s, &order) && order <= 0);
}

/* True when it has more characters; a text of no more bytes has none too many. */
static bool is_longer(struct tg_str text, int64_t length)
{
    return (int64_t)text.n > length && (int64_t)tg_utf8_length(text) > length;
}

static enum tg_rule_result judge_min_length(const struct tg_policy_test *t,
                                            const struct tg_policy_seen *s)
{
    return result_of(is_text(s) && is_longer(s->text, t->length - 1));
}

static enum tg_rule_result judge_max_length(const struct tg_policy_test *t,
                                            const struct tg_policy_seen *s)
{
    return result_of(is_text(s) && !is_longer(s->text, t->length));
}

/* --- beginnings --- */

/* An OBS path of another form than `validate` takes has no beginning: what looks like one prefix
 * could be another place. */
static bool has_beginning(const struct tg_policy_seen *s)
{
    return is_text(s) && (!s->obs || s->well_formed || tg_obs_path_check(s->text) == NULL);
}

/* Prefixes are short: no call. */
static bool has_prefix(struct tg_str text, struct tg_str prefix)
{
    return text.n >= prefix.n && tg_str_same(text.p, prefix.p, prefix.n);
}

static enum tg_rule_result judge_prefix(const struct tg_policy_test *t,
                                        const struct tg_policy_seen *s)
{
    if (has_beginning(s))
        for (unsigned i = 0; i < t->noperands; i++)
            if (has_prefix(s->text, t->operands[i].text))
                return TG_RULE_PASS;
    return TG_RULE_FAIL;
}

/* True when the text lies where it must not. "/a" is the directory "/a/" too; registries and
 * commands do not always mind the case, OBS does. */
static bool begins(struct tg_str text, struct tg_str prefix, bool obs)
{
    struct tg_str head = {text.p, text.n < prefix.n ? text.n : prefix.n};

    if (!obs)
        return tg_str_ieq(head, prefix);
    return tg_str_eq(head, prefix) ||
           (text.n + 1 == prefix.n && prefix.p[text.n] == '/' && tg_str_starts(prefix, text));
}

static enum tg_rule_result judge_not_prefix(const struct tg_policy_test *t,
                                            const struct tg_policy_seen *s)
{
    if (!has_beginning(s))
        return TG_RULE_FAIL;
    for (unsigned i = 0; i < t->noperands; i++)
        if (begins(s->text, t->operands[i].text, s->obs))
            return TG_RULE_FAIL;
    return TG_RULE_PASS;
}

/* --- patterns --- */

/* YES when one of the patterns matches, ERROR when none did and one did not come to an end. */
static enum tg_pattern_result match_any(const struct tg_policy_test *t,
                                        const struct tg_policy_seen *s)
{
    enum tg_pattern_result result = TG_PATTERN_NO;

    for (unsigned i = 0; i < t->noperands; i++) {
        enum tg_pattern_result one = tg_pattern_match(t->pattern[i], s->text, s->steps);

        if (one == TG_PATTERN_YES)
            return one;
        if (one == TG_PATTERN_ERROR)
            result = one;
    }
    return result;
}

static enum tg_rule_result judge_matches(const struct tg_policy_test *t,
                                         const struct tg_policy_seen *s)
{
    enum tg_pattern_result found = is_text(s) ? match_any(t, s) : TG_PATTERN_NO;

    return found == TG_PATTERN_ERROR ? TG_RULE_ERROR : result_of(found == TG_PATTERN_YES);
}

static enum tg_rule_result judge_not_matches(const struct tg_policy_test *t,
                                             const struct tg_policy_seen *s)
{
    enum tg_pattern_result found = is_text(s) ? match_any(t, s) : TG_PATTERN_YES;

    return found == TG_PATTERN_ERROR ? TG_RULE_ERROR : result_of(found == TG_PATTERN_NO);
}

/* --- changes --- */

static enum tg_rule_result judge_changed(const struct tg_policy_nodes *now,
                                         const struct tg_policy_nodes *old)
{
    return result_of(!tg_policy_same(now, old));
}

static enum tg_rule_result judge_unchanged(const struct tg_policy_nodes *now,
                                           const struct tg_policy_nodes *old)
{
    return result_of(tg_policy_same(now, old));
}

/* --- the table --- */

enum { TEXT = TG_TYPE_TEXT, SCALAR = TG_TYPE_TEXT | TG_TYPE_NUMBER | TG_TYPE_BOOLEAN };

static const struct tg_policy_word words[] = {
    {"required", OPERANDS_NONE, TG_TYPE_ANY, NULL, "is required", "必须填写", "", "", NULL},
    {"absent", OPERANDS_NONE, TG_TYPE_ANY, NULL, "must not be given", "不允许填写", "", "", NULL},
    {"equals", OPERANDS_TEXT, SCALAR, judge_in, "must be ", "必须为 ", "", "", NULL},
    {"in", OPERANDS_TEXT, SCALAR, judge_in, "must be one of ", "必须是以下之一: ", "", "", NULL},
    {"not_in", OPERANDS_TEXT, SCALAR, judge_not_in, "must not be one of ", "不得是以下之一: ", "",
     "", NULL},
    {"min", OPERANDS_NUMBER, TG_TYPE_NUMBER, judge_min, "must be at least ", "不得小于 ", "", "",
     NULL},
    {"max", OPERANDS_NUMBER, TG_TYPE_NUMBER, judge_max, "must be at most ", "不得大于 ", "", "",
     NULL},
    {"min_length", OPERANDS_LENGTH, TEXT, judge_min_length, "must have at least ", "不得少于 ",
     " characters", " 个字符", NULL},
    {"max_length", OPERANDS_LENGTH, TEXT, judge_max_length, "must have at most ", "不得多于 ",
     " characters", " 个字符", NULL},
    {"prefix", OPERANDS_TEXT, TEXT, judge_prefix, "must begin with ", "必须以此开头: ", "", "",
     NULL},
    {"not_prefix", OPERANDS_TEXT, TEXT, judge_not_prefix, "must not begin with ",
     "不得以此开头: ", "", "", NULL},
    {"matches", OPERANDS_PATTERN, TEXT, judge_matches, "must match ", "必须匹配 ", "", "", NULL},
    {"not_matches", OPERANDS_PATTERN, TEXT, judge_not_matches, "must not match ", "不得匹配 ", "",
     "", NULL},
    {"deny", OPERANDS_NONE, 0, NULL, "is denied", "被禁止", "", "", NULL},
    {"changed", OPERANDS_NONE, TG_TYPE_ANY, NULL, "must change", "必须修改", "", "", judge_changed},
    {"unchanged", OPERANDS_NONE, TG_TYPE_ANY, NULL, "must not change", "不得修改", "", "",
     judge_unchanged},
    {"increases", OPERANDS_NONE, TG_TYPE_NUMBER, NULL, "must increase", "必须增大", "", "",
     tg_policy_increases},
};

static const struct tg_policy_word *find_word(struct tg_str name)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (tg_str_eq(name, tg_str_of(words[i].name)))
            return &words[i];
    return NULL;
}

/* --- reading --- */

static bool read_number(struct tg_conf *c, const struct tg_conf_item *item,
                        struct tg_policy_operand *o)
{
    if (o->is_number)
        return true;
    tg_conf_error(c, item, "\"%s\" takes a number, got \"%s\"", item->args[0].p, o->text.p);
    return false;
}

static bool read_pattern(struct tg_conf *c, const struct tg_policy_test *t, unsigned i)
{
    char why[TG_PATTERN_WHY];
    size_t offset;
    enum tg_pattern_use use = t->run == judge_matches ? TG_PATTERN_MUST : TG_PATTERN_MUST_NOT;

    t->pattern[i] = tg_pattern_new(t->operands[i].text, use, why, &offset);
    if (t->pattern[i] != NULL)
        return true;
    tg_conf_error(c, t->item, "\"%s\" does not compile: %s at offset %zu", t->operands[i].text.p,
                  why, offset);
    return false;
}

static bool read_operand(struct tg_conf *c, struct tg_policy_test *t, unsigned i)
{
    struct tg_policy_operand *o = &t->operands[i];

    o->text = t->item->args[i + 1];
    if (t->refers)
        return true; /* each row has a test of its own */
    o->is_number = tg_decimal_read(o->text, &o->number);
    switch (t->word->operands) {
    case OPERANDS_NUMBER:
        return read_number(c, t->item, o);
    case OPERANDS_LENGTH:
        return tg_conf_number(c, t->item, o->text, 0, INT32_MAX, &t->length);
    case OPERANDS_PATTERN:
        return read_pattern(c, t, i);
    case OPERANDS_NONE:
    case OPERANDS_TEXT:
        return true;
    }
    TG_UNREACHABLE();
}

static bool has_cells(const struct tg_policy_test *t)
{
    for (unsigned i = 0; i < t->noperands; i++)
        if (tg_policy_has_cell(t->item->args[i + 1]))
            return true;
    return false;
}

struct tg_policy_test *tg_policy_test_read(struct tg_conf *c, const struct tg_conf_item *item,
                                           struct tg_policy_test **list)
{
    struct tg_policy_test *t = tg_arena_zalloc(c->arena, 1, sizeof(*t));
    unsigned errors = c->errors;

    t->word = find_word(item->args[0]);
    CHECK(t->word != NULL && item->nargs >= 1);
    t->run = t->word->run;
    t->item = item;
    t->noperands = item->nargs - 1;
    t->operands = tg_arena_zalloc(c->arena, t->noperands, sizeof(*t->operands));
    t->pattern = tg_arena_zalloc(c->arena, t->noperands, sizeof(struct tg_pattern *));
    while (*list != NULL)
        list = &(*list)->next;
    *list = t; /* also after an error: its patterns are freed with the list */
    t->refers = t->word->operands != OPERANDS_PATTERN && has_cells(t);
    for (unsigned i = 0; i < t->noperands; i++)
        (void)read_operand(c, t, i);
    return c->errors == errors ? t : NULL;
}

void tg_policy_tests_end(struct tg_policy_test *tests)
{
    for (; tests != NULL; tests = tests->next) {
        for (unsigned i = 0; i < tests->noperands; i++) {
            tg_pattern_end(tests->pattern[i]);
            tests->pattern[i] = NULL;
        }
    }
}

bool tg_policy_test_compares(const struct tg_policy_test *t)
{
    return t->word->compare != NULL;
}

enum tg_rule_result tg_policy_test_compare(const struct tg_policy_test *t,
                                           const struct tg_policy_nodes *now,
                                           const struct tg_policy_nodes *old)
{
    CHECK(now->n > 0 || old->n > 0);
    return t->word->compare(now, old);
}

bool tg_policy_test_is(const struct tg_policy_test *t, const char *word)
{
    return strcmp(t->word->name, word) == 0;
}

/* --- does it fit where it is to look --- */

/* Parameter values are text that may be a number. */
static bool may_be_number(const struct tg_policy_path *path)
{
    return path->nsteps > 0 && tg_str_eq(path->steps[0].name.text, TG_STR("parameter")) &&
           tg_str_eq(path->steps[path->nsteps - 1].name.text, TG_STR("value"));
}

static bool applies(const struct tg_policy_test *t, const struct tg_policy_path *path)
{
    bool numbers = t->word->types == TG_TYPE_NUMBER;

    if (tg_policy_test_compares(t) && path->source != TG_SOURCE_CONFIG)
        return false;
    return (t->word->types & path->types) != 0 || (numbers && may_be_number(path));
}

/* Operands of equality where only numbers stand. */
static bool numbers_fit(struct tg_conf *c, const struct tg_policy_test *t,
                        const struct tg_policy_path *path)
{
    if (t->word->operands != OPERANDS_TEXT || path->types != TG_TYPE_NUMBER)
        return true;
    for (unsigned i = 0; i < t->noperands; i++) {
        if (t->operands[i].is_number)
            continue;
        tg_conf_error(c, t->item, "\"%s\" is %s, it cannot be \"%s\"", path->text.p, path->is,
                      t->operands[i].text.p);
        return false;
    }
    return true;
}

static bool contains(struct tg_str s, const char *part)
{
    return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static bool is_beginning(struct tg_str s)
{
    return s.n > 0 && *s.p == '/' && !contains(s, "//") && !contains(s, "/../") &&
           !contains(s, "/./");
}

/* Beginnings where OBS paths stand. */
static bool beginnings_fit(struct tg_conf *c, const struct tg_policy_test *t,
                           const struct tg_policy_path *path)
{
    bool wanted = t->run == judge_prefix;

    if (!path->obs || (!wanted && t->run != judge_not_prefix))
        return true;
    for (unsigned i = 0; i < t->noperands; i++) {
        struct tg_str prefix = t->operands[i].text;

        if (!is_beginning(prefix)) {
            tg_conf_error(c, t->item, "no OBS path begins with \"%s\"", prefix.p);
            return false;
        }
        if (wanted && prefix.n > 1 && prefix.p[prefix.n - 1] != '/')
            tg_conf_warn(c, t->item,
                         "\"%s\" is also the beginning of other names, end it with \"/\"",
                         prefix.p);
    }
    return true;
}

/* True when the contract asks for at least what the test's lower bound says. */
static bool is_least(const struct tg_policy_test *t, const struct tg_contract_member *leaf)
{
    char text[24];
    struct tg_decimal least;

    snprintf(text, sizeof(text), "%lld", (long long)leaf->min);
    CHECK(tg_decimal_read(tg_str_of(text), &least));
    return tg_decimal_compare(&t->operands[0].number, &least) <= 0;
}

static bool admits_everything(const struct tg_policy_test *t, bool obs)
{
    for (unsigned i = 0; i < t->noperands; i++)
        if (t->operands[i].text.n == (obs ? 1 : 0))
            return true;
    return false;
}

/* True when every value that `validate` lets through there passes the test. */
static bool always_holds(const struct tg_policy_test *t, const struct tg_policy_path *path)
{
    const struct tg_contract_member *leaf = path->leaf;

    if (path->response)
        return !tg_policy_test_is(t, "required");
    if (t->run == judge_min)
        return leaf != NULL && leaf->type == TG_CONTRACT_INTEGER && is_least(t, leaf);
    if (t->run == judge_min_length)
        return t->length == 0;
    if (t->run == judge_max_length)
        return leaf != NULL && leaf->max > 0 && t->length >= leaf->max;
    return t->run == judge_prefix && admits_everything(t, path->obs);
}

bool tg_policy_test_fits(struct tg_conf *c, const struct tg_policy_test *t,
                         const struct tg_policy_path *path, bool *can_fail)
{
    if (!applies(t, path)) {
        tg_conf_error(c, t->item, "\"%s\" cannot apply to \"%s\", which is %s", t->word->name,
                      path->text.p, path->is);
        return false;
    }
    *can_fail = *can_fail || t->refers || !always_holds(t, path);
    return t->refers || (numbers_fit(c, t, path) && beginnings_fit(c, t, path));
}

bool tg_policy_range_is_empty(const struct tg_policy_test *least, const struct tg_policy_test *most)
{
    CHECK(least->word->operands == most->word->operands);
    if (least->word->operands == OPERANDS_LENGTH)
        return least->length > most->length;
    return tg_decimal_compare(&least->operands[0].number, &most->operands[0].number) > 0;
}

/* --- telling --- */

void tg_policy_test_words(const struct tg_policy_test *t, bool chinese, struct tg_buf *out)
{
    const char *quote = t->word->operands == OPERANDS_PATTERN ? "\"" : "";

    if (tg_policy_test_is_missing(t))
        tg_buf_puts(out, chinese ? "表中没有所需的值: " : "has no value in the table for this: ");
    else if (t->row != NULL && tg_policy_test_of_row(t) != NULL)
        t = tg_policy_test_of_row(t);
    tg_buf_puts(out, chinese ? t->word->words_zh : t->word->words);
    for (unsigned i = 0; i < t->noperands; i++)
        tg_buf_printf(out, "%s%s%.*s%s", i > 0 ? ", " : "", quote, TG_STR_ARG(t->operands[i].text),
                      quote);
    tg_buf_puts(out, chinese ? t->word->tail_zh : t->word->tail);
}
