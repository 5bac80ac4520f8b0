/* Rules about OBS paths and image references. */
#include "base/check.h"
#include "contract/image_ref.h"
#include "contract/internal.h"
#include "contract/obs_path.h"

enum { MAX_SHOWN = 1100 }; /* bytes of a path in a message: any legal path is shorter */

/* What a message shows of a text; cut between characters. */
static struct tg_str shown(struct tg_str text)
{
    if (text.n > MAX_SHOWN) {
        text.n = MAX_SHOWN;
        while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
            text.n--;
    }
    return text;
}

/* One of the members that are OBS paths, where it is a string and not absent. */
typedef void path_check(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                        struct tg_str path);

static void check_member(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                         path_check *check)
{
    if (!tg_contract_absent(j->doc, node, member) && tg_doc_type(j->doc, node) == TG_STRING)
        check(j, node, member, tg_doc_string(j->doc, node));
}

static void check_elements(struct tg_judge *j, uint32_t array,
                           const struct tg_contract_member *members, path_check *check)
{
    if (array == TG_NONE || tg_doc_type(j->doc, array) != TG_ARRAY)
        return;
    for (uint32_t e = tg_doc_first(j->doc, array); e != TG_NONE; e = tg_doc_next(j->doc, e))
        for (const struct tg_contract_member *m = members; m->name != NULL; m++)
            if ((m->flags & TG_CONTRACT_OBS) && tg_doc_type(j->doc, e) == TG_OBJECT)
                check_member(j, tg_doc_member(j->doc, e, tg_str_of(m->name)), m, check);
}

static void each_path(struct tg_judge *j, path_check *check)
{
    for (unsigned i = 0; i < TG_CONFIG_MEMBERS; i++) {
        const struct tg_contract_member *m = &tg_contract_config[i];

        if (m->flags & TG_CONTRACT_OBS)
            check_member(j, j->member[i], m, check);
        else if (m->type == TG_CONTRACT_OBJECTS)
            check_elements(j, j->member[i], m->members, check);
    }
}

/* A real client matches the words before the reason: they are the same in both languages. */
static void say_invalid(struct tg_judge *j, uint32_t node, struct tg_str path, const char *why,
                        const char *why_zh)
{
    struct tg_judge_sentence s = {.before = "Invalid OBS path '",
                                  .before_zh = "Invalid OBS path '",
                                  .value = shown(path),
                                  .of = node};

    CHECK(s.value.n <= MAX_SHOWN);
    s.after = tg_arena_printf(j->request->arena, "'. %s", why).p;
    s.after_zh = tg_arena_printf(j->request->arena, "'. %s", why_zh).p;
    tg_judge_say_value(j, node, &s);
}

/* --- what can be wrong with a path --- */

static bool is_malformed(struct tg_str path)
{
    return tg_obs_path_check(path) != NULL;
}

static bool names_no_data(const struct tg_contract_member *member, struct tg_str path)
{
    return (member->flags & TG_CONTRACT_DATA) && tg_obs_path_key(path).n == 0 &&
           !is_malformed(path);
}

/* Characters outside ASCII: the first bit of all their bytes is set. */
static bool has_wide(struct tg_str path)
{
    uint64_t all = 0;
    size_t i = 0;

    for (; path.n - i >= 8; i += 8)
        all |= tg_str_word(path.p + i);
    for (; i < path.n; i++)
        all |= (unsigned char)path.p[i];
    return (all & 0x8080808080808080) != 0;
}

static bool lacks_slash(const struct tg_contract_member *member, struct tg_str path)
{
    return (member->flags & TG_CONTRACT_DIRECTORY) && path.p[path.n - 1] != '/';
}

unsigned tg_judge_path_faults(const struct tg_doc *d, uint32_t node,
                              const struct tg_contract_member *member)
{
    struct tg_str path = tg_doc_string(d, node);
    unsigned faults;

    CHECK(path.n > 0);
    faults = (has_wide(path) ? TG_FAULT_OBS_ASCII : 0U) |
             (lacks_slash(member, path) ? TG_FAULT_SLASH : 0U);
    if (is_malformed(path))
        return faults | TG_FAULT_OBS_PATH;
    tg_contract_notes(d)->node[node] = TG_CONTRACT_WELL_FORMED;
    return faults | (names_no_data(member, path) ? TG_FAULT_DATA_PATH : 0U);
}

/* --- and how it is said --- */

static void obs_path(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                     struct tg_str path)
{
    const struct tg_obs_fault *fault = tg_obs_path_check(path);

    (void)member;
    if (fault != NULL)
        say_invalid(j, node, path, fault->text, fault->text_zh);
}

void tg_check_obs_path(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_OBS_PATH)
        each_path(j, obs_path);
}

static void data_path(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                      struct tg_str path)
{
    if (names_no_data(member, path))
        say_invalid(j, node, path, "It must name a file or directory behind the bucket.",
                    "路径必须指向桶内的文件或目录。");
}

void tg_check_data_path(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_DATA_PATH)
        each_path(j, data_path);
}

static void obs_ascii(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                      struct tg_str path)
{
    (void)member;
    if (has_wide(path))
        say_invalid(j, node, path,
                    "It has characters outside ASCII, which not every part of the service takes.",
                    "路径包含非 ASCII 字符, 部分服务不支持。");
}

void tg_check_obs_ascii(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_OBS_ASCII)
        each_path(j, obs_ascii);
}

static void slash(struct tg_judge *j, uint32_t node, const struct tg_contract_member *member,
                  struct tg_str path)
{
    if (lacks_slash(member, path))
        say_invalid(j, node, path, "A directory must end with \"/\".", "目录必须以 / 结尾。");
}

void tg_check_slash(struct tg_judge *j)
{
    if (j->faults & TG_FAULT_SLASH)
        each_path(j, slash);
}

/* --- files and images --- */

void tg_check_boot_file(struct tg_judge *j)
{
    struct tg_str app, boot;
    size_t directory;

    if (!tg_judge_string(j, TG_APP_URL, &app) || !tg_judge_string(j, TG_BOOT_FILE_URL, &boot))
        return;
    directory = app.n - (app.p[app.n - 1] == '/');
    /* something must follow "app/": the file */
    if (tg_str_starts(boot, (struct tg_str){app.p, directory}) && boot.n > directory + 1 &&
        boot.p[directory] == '/' && boot.p[boot.n - 1] != '/')
        return;
    tg_judge_say_value(j, j->member[TG_BOOT_FILE_URL],
                       &(struct tg_judge_sentence){
                           .before = "must be a file inside app_url, such as '",
                           .before_zh = "必须是 app_url 之内的文件, 如 '",
                           .after = "/boot.py'",
                           .after_zh = "/boot.py'",
                           .value = shown((struct tg_str){app.p, directory}),
                           .of = j->member[TG_APP_URL],
                       });
}

void tg_check_image(struct tg_judge *j)
{
    struct tg_str image;

    if (tg_judge_string(j, TG_USER_IMAGE_URL, &image) && !tg_image_ref_is(image))
        tg_judge_say(j, j->member[TG_USER_IMAGE_URL],
                     "must be an image reference such as "
                     "'swr.cn-north-4.myhuaweicloud.com/org/repo:tag'",
                     "必须是镜像地址, 如 'swr.cn-north-4.myhuaweicloud.com/org/repo:tag'");
}
