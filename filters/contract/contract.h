/*
 * The contract of the API as two tables, to be held beside each other: what members a config has,
 * and which rules it is judged by, with the severity of each rule at each level. `normalize`,
 * `validate`, the policy language and `trainguard explain` all read them.
 */
#ifndef TG_CONTRACT_H
#define TG_CONTRACT_H

#include "chain/filter.h"

/* --- members (contract section 1) --- */

enum tg_contract_type {
    TG_CONTRACT_STRING = 1,
    TG_CONTRACT_INTEGER, /* 64 bits, digit for digit */
    TG_CONTRACT_OBJECT,
    TG_CONTRACT_OBJECTS, /* an array of objects */
    TG_CONTRACT_ARRAY,
    TG_CONTRACT_ANY,
};

enum tg_contract_flags {
    TG_CONTRACT_EMPTY = 1 << 0,     /* "" counts as absent (contract section 2) */
    TG_CONTRACT_OBS = 1 << 1,       /* an OBS path */
    TG_CONTRACT_DIRECTORY = 1 << 2, /* ends with "/" */
    TG_CONTRACT_DATA = 1 << 3,      /* names something behind the bucket */
    TG_CONTRACT_RESPONSE = 1 << 4,  /* only a GET answers with it */
};

/* One member of an object. `min` and `max` bound an integer's value, or a string's length in code
 * points (max 0: no bound). `members` are those of the object, or of the objects in the array. */
struct tg_contract_member {
    const char *name;
    size_t length; /* of the name: looking a name up is mostly comparing lengths */
    enum tg_contract_type type;
    unsigned flags; /* enum tg_contract_flags, or-ed */
    int64_t min;
    int64_t max;
    const struct tg_contract_member *members; /* NULL: not looked into */
};

/* The members of a config, those the rules speak of first; the numbers index tg_contract_config. */
enum tg_config_member {
    TG_CONFIG_DESC,
    TG_WORKER_SERVER_NUM,
    TG_APP_URL,
    TG_BOOT_FILE_URL,
    TG_MODEL_ID,
    TG_PARAMETER,
    TG_SPEC_ID,
    TG_DATA_URL,
    TG_DATASET_ID,
    TG_DATASET_VERSION_ID,
    TG_DATA_SOURCE,
    TG_ENGINE_ID,
    TG_TRAIN_URL,
    TG_LOG_URL,
    TG_USER_IMAGE_URL,
    TG_USER_COMMAND,
    TG_FLAVOR,
    TG_CONFIG_NAME,
    TG_CONFIG_MEMBERS, /* how many the rules speak of; the table has more */
    TG_POOL_ID = TG_CONFIG_MEMBERS,
    TG_VOLUMES,
    TG_NAS_TYPE,
    TG_NAS_SHARE_ADDR,
    TG_NAS_MOUNT_PATH,
    TG_NOTIFICATION,
    TG_CREATE_VERSION,
    TG_IS_SUCCESS,
    TG_ENGINE_TYPE,
    TG_ENGINE_NAME,
    TG_ENGINE_VERSION,
    TG_SPEC_CODE,
    TG_GPU_TYPE,
    TG_GPU_NUM,
    TG_CPU,
    TG_CORE,
    TG_CREATE_TIME,
    TG_DATASET_NAME,
    TG_DATASET_VERSION_NAME,
    TG_POOL_NAME,
    TG_CONFIG_ROWS
};

/* Those of an element of `parameter` and of `data_source`; the numbers index `members` of the row.
 */
enum tg_parameter_member { TG_PARAMETER_LABEL, TG_PARAMETER_VALUE };
enum tg_source_member {
    TG_SOURCE_TYPE,
    TG_SOURCE_DATA_URL,
    TG_SOURCE_DATASET_ID,
    TG_SOURCE_DATASET_VERSION
};

/* The members of a config; ends with a row whose name is NULL, as all tables of members. */
extern const struct tg_contract_member tg_contract_config[];

/* The row of a name, or NULL. */
const struct tg_contract_member *tg_contract_find(const struct tg_contract_member *members,
                                                  struct tg_str name);

enum { TG_CONTRACT_UNKNOWN = UINT16_MAX }; /* what a node remembers of a name in no table */

/* Looks a member's name up and has its node remember it; tg_contract_number() calls it. */
void tg_contract_remember(const struct tg_doc *d, const struct tg_contract_member *members,
                          uint32_t name);

/* The number of a member's name in its table plus 1, or TG_CONTRACT_UNKNOWN. The node remembers it,
 * so that each name of a document is looked up once; a name stands in objects of one table only. */
static inline unsigned tg_contract_number(const struct tg_doc *d,
                                          const struct tg_contract_member *members, uint32_t name)
{
    CHECK(name < d->count);
    if (d->node[name].row == 0)
        tg_contract_remember(d, members, name);
    return d->node[name].row;
}

/* The row of a member's name, or NULL. */
static inline const struct tg_contract_member *
tg_contract_row(const struct tg_doc *d, const struct tg_contract_member *members, uint32_t name)
{
    unsigned number = tg_contract_number(d, members, name);

    return number == TG_CONTRACT_UNKNOWN ? NULL : &members[number - 1];
}

/* The value of the member an object has for a row of its table, or TG_NONE. */
uint32_t tg_contract_value(const struct tg_doc *d, uint32_t object,
                           const struct tg_contract_member *members, unsigned row);

/* What a config has of the contract's members. */
struct tg_contract_view {
    uint32_t value[TG_CONFIG_ROWS]; /* by the number of the member; TG_NONE: it is not there */
    unsigned flags;                 /* enum tg_contract_flags of all members, or-ed */
    bool unknown;                   /* it has members that are in no table */
};

/* The view of a config: one walk over its members, by the first who asks. The document keeps it
 * until one of their names changes: who changes any asks again. */
const struct tg_contract_view *tg_contract_members(struct tg_doc *d, uint32_t config);

/* The name of a table's row that is nearest to `name`, or NULL when none is near. */
const char *tg_contract_nearest(const struct tg_contract_member *members, struct tg_str name);

/* --- rules (contract section 4) --- */

enum tg_contract_level { TG_LAX = 1, TG_DOCUMENTED, TG_STRICT, TG_LEVELS = TG_STRICT };

/* The words of the levels, NULL-terminated; a level is the index + 1. */
extern const char *const tg_contract_levels[];

struct tg_judge;

struct tg_contract_rule {
    const char *id;       /* stable; what `violations` call it */
    const char *severity; /* one letter per level: '-' not judged, 'w' warn, 'd' deny */
    enum tg_error error;
    const char *text; /* what it demands */
    const char *text_zh;
    void (*check)(struct tg_judge *j); /* NULL: judged while the text is read or normalized */
};

/* All rules in the order they are judged; ends with a row whose id is NULL. */
extern const struct tg_contract_rule tg_contract_rules[];

/* The rule of that id (CHECKed: there is one). */
const struct tg_contract_rule *tg_contract_rule(const char *id);

/* 0 when a rule is not judged at that level. */
enum tg_severity tg_contract_severity(const struct tg_contract_rule *rule,
                                      enum tg_contract_level level);

/* --- judging --- */

/* What rules that walk over many members look for. One look at every member tells which of them
 * have something to say about any; a config without fault costs no more than that. */
enum tg_member_fault {
    TG_FAULT_TYPE = 1 << 0,
    TG_FAULT_RANGE = 1 << 1,
    TG_FAULT_LENGTH = 1 << 2,
    TG_FAULT_NAME = 1 << 3, /* in no table: its spelling, or unknown */
    TG_FAULT_ANSWER = 1 << 4,
    TG_FAULT_OBS_PATH = 1 << 5,
    TG_FAULT_DATA_PATH = 1 << 6,
    TG_FAULT_OBS_ASCII = 1 << 7,
    TG_FAULT_SLASH = 1 << 8,
    TG_FAULT_LABEL =
        1 << 9, /* a parameter without a label that is a string, or with an empty one */
    TG_FAULT_LABEL_TWICE = 1 << 10, /* two labels may be the same */
};

/* One config under judgement. */
struct tg_judge {
    struct tg_request *request;
    struct tg_doc *doc;
    uint32_t config; /* an object */
    enum tg_contract_level level;
    const struct tg_contract_rule *rule;
    const uint32_t *member; /* value nodes by number, or TG_NONE */
    uint32_t present;       /* a bit for each of TG_CONFIG_MEMBERS that does not count as absent */
    unsigned faults;        /* enum tg_member_fault, or-ed: those of any member */
};

/* Judges the config of a request by all rules of a level; findings go to the report. */
void tg_contract_judge(struct tg_request *r, enum tg_contract_level level);

/* True when a node counts as absent: TG_NONE, null, or "" where `empty` (contract section 2). */
static inline bool tg_contract_is_absent(const struct tg_doc *d, uint32_t node, bool empty)
{
    if (node == TG_NONE || tg_doc_type(d, node) == TG_NULL)
        return true;
    return empty && tg_doc_type(d, node) == TG_STRING && tg_doc_text(d, node).n == strlen("\"\"");
}

/* The same for the value of a member, "" being one with TG_CONTRACT_EMPTY. */
static inline bool tg_contract_absent(const struct tg_doc *d, uint32_t node,
                                      const struct tg_contract_member *member)
{
    return tg_contract_is_absent(d, node, (member->flags & TG_CONTRACT_EMPTY) != 0);
}

/* The same for a member of the judged config, turned around. */
static inline bool tg_judge_has(const struct tg_judge *j, enum tg_config_member member)
{
    return (j->present >> member & 1) != 0;
}

/* Gives a member's string; false when it is absent or no string. */
bool tg_judge_string(const struct tg_judge *j, enum tg_config_member member, struct tg_str *out);

/* False when a finding would only be counted: then its text need not be made. */
bool tg_judge_wants(const struct tg_judge *j);

/* Adds a finding of the current rule at a node. Both formats take the same arguments. */
void tg_judge_say(struct tg_judge *j, uint32_t node, const char *format, const char *format_zh, ...)
    __attribute__((format(printf, 3, 5), format(printf, 4, 5)));

/* The same for a member that `object` lacks: it has a pointer, but no place. The texts are static.
 */
void tg_judge_lacks(struct tg_judge *j, uint32_t object, const char *name, const char *text,
                    const char *text_zh);

/* Fills j->faults and j->present by one walk over all members. */
void tg_judge_look(struct tg_judge *j);

/* Fills in the faults of the labels of `parameter`. */
void tg_judge_labels(struct tg_judge *j);

enum { TG_NOTED_OBS_PATH = 1 }; /* what a node says of a string that is a well formed OBS path */

/* The faults of a member that is an OBS path and not absent. Notes at the node when it is well
 * formed. */
unsigned tg_judge_path_faults(const struct tg_doc *d, uint32_t node,
                              const struct tg_contract_member *member);

/* The checks of the rules, by subject. types.c: */
void tg_check_type(struct tg_judge *j);
void tg_check_range(struct tg_judge *j);
void tg_check_length(struct tg_judge *j);
void tg_check_spelling(struct tg_judge *j);
void tg_check_unknown(struct tg_judge *j);

/* paths.c: */
void tg_check_obs_path(struct tg_judge *j);
void tg_check_data_path(struct tg_judge *j);
void tg_check_obs_ascii(struct tg_judge *j);
void tg_check_slash(struct tg_judge *j);
void tg_check_boot_file(struct tg_judge *j);
void tg_check_image(struct tg_judge *j);

/* lists.c: */
void tg_check_label_missing(struct tg_judge *j);
void tg_check_label_empty(struct tg_judge *j);
void tg_check_label_twice(struct tg_judge *j);
void tg_check_data_source(struct tg_judge *j);

/* whole.c: */
void tg_check_config_name(struct tg_judge *j);
void tg_check_required(struct tg_judge *j);
void tg_check_code_pair(struct tg_judge *j);
void tg_check_algorithm(struct tg_judge *j);
void tg_check_image_command(struct tg_judge *j);
void tg_check_dataset_pair(struct tg_judge *j);
void tg_check_data_conflict(struct tg_judge *j);
void tg_check_data_missing(struct tg_judge *j);
void tg_check_model_alone(struct tg_judge *j);

#endif
