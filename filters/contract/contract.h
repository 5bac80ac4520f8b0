/*
 * The contract of the API as two tables, to be held beside each other: what members a config has
 * (members.c), and which rules it is judged by, with the severity of each rule at each level
 * (rules.c). `normalize`, `validate`, the policy language and `trainguard explain` all read them.
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
    TG_CONTRACT_HARMLESS = 1 << 5,  /* a number, name or place: the audit log may tell its value */
    TG_CONTRACT_OMIT = 1 << 6,      /* the audit log tells not even that it is there */
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

struct tg_contract_view;

/*
 * What the contract knows of a document, beside its nodes (tg_doc.beside): each name is looked up
 * once, by the first who asks. The first tg_contract_members() of a document begins it.
 */
struct tg_contract_notes {
    uint8_t *node;   /* of a name: its number in its table plus 1, 0: not looked up; of a string:
                        TG_CONTRACT_WELL_FORMED, 0: not judged; of all others 0 */
    uint32_t nodes;  /* how many there is room for */
    uint32_t object; /* that `view` is of; TG_NONE: of none */
    struct tg_contract_view *view;       /* in the arena */
    const struct tg_change *last_change; /* of the document that the notes know */
};

enum { TG_CONTRACT_UNKNOWN = UINT8_MAX }; /* the number of a name in no table */
enum { TG_CONTRACT_WELL_FORMED = 1 };     /* a string that is a well formed OBS path */

/* Forgets what changes to the document have made untrue; tg_contract_notes() calls it. */
void tg_contract_catch_up(const struct tg_doc *d, struct tg_contract_notes *notes);

/* The notes as the document is now. tg_contract_members() was called before. */
static inline struct tg_contract_notes *tg_contract_notes(const struct tg_doc *d)
{
    struct tg_contract_notes *notes = d->beside;

    if (notes->last_change != d->last_change)
        tg_contract_catch_up(d, notes);
    return notes;
}

/* True when a string was judged before and is a well formed OBS path (tg_obs_path_check()). */
static inline bool tg_contract_is_obs_path(const struct tg_doc *d, uint32_t node)
{
    return tg_doc_type(d, node) == TG_STRING &&
           tg_contract_notes(d)->node[node] == TG_CONTRACT_WELL_FORMED;
}

/* Looks a member's name up and puts its number into *note; tg_contract_number() calls it. */
unsigned tg_contract_look_up(const struct tg_doc *d, const struct tg_contract_member *members,
                             uint32_t name, uint8_t *note);

/* The number of a member's name in its table plus 1, or TG_CONTRACT_UNKNOWN. A name stands in
 * objects of one table only. */
static inline unsigned tg_contract_number(const struct tg_doc *d,
                                          const struct tg_contract_member *members, uint32_t name)
{
    uint8_t *note = &tg_contract_notes(d)->node[name];

    CHECK(name < d->count);
    return *note != 0 ? *note : tg_contract_look_up(d, members, name, note);
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

/* What an object has of the members of a config. */
struct tg_contract_view {
    uint32_t value[TG_CONFIG_ROWS]; /* by the number of the member; TG_NONE: it is not there */
    unsigned flags;                 /* enum tg_contract_flags of all members, or-ed */
    bool unknown;                   /* it has members that are in no table */
};

/* The view of an object: one walk over its members, by the first who asks. The notes keep it until
 * one of their names changes, or another object is asked for: who changes any asks again. */
const struct tg_contract_view *tg_contract_members(struct tg_doc *d, uint32_t object);

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
static inline enum tg_severity tg_contract_severity(const struct tg_contract_rule *rule,
                                                    enum tg_contract_level level)
{
    char letter;

    CHECK(level >= TG_LAX && level <= TG_STRICT);
    letter = rule->severity[level - 1];
    return letter == 'd' ? TG_VIOLATION : letter == 'w' ? TG_WARNING : (enum tg_severity)0;
}

/* --- judging --- */

/* Judges the config of a request by all rules of a level; findings go to the report. */
void tg_contract_judge(struct tg_request *r, enum tg_contract_level level);

/* Adds a finding of the rule "spelling" for each member of the config of a request, and of the
 * objects in it that the tables look into, that a lenient reader would take for a known one. */
void tg_contract_spelling(struct tg_request *r);

/* True when a lenient reader of JSON may take a name for a known one, or for a way into it
 * ("config.spec_id", "parameter[0]"): they mind no case, by Unicode, and pass over signs, blanks
 * and what is not seen. */
bool tg_contract_reads_alike(struct tg_str written, struct tg_str known);

/* True when a node counts as absent: TG_NONE, null, or "" where `empty` (contract section 2). */
static inline bool tg_contract_is_absent(const struct tg_doc *d, uint32_t node, bool empty)
{
    if (node == TG_NONE || tg_doc_type(d, node) == TG_NULL)
        return true;
    return empty && tg_doc_type(d, node) == TG_STRING && tg_doc_text(d, node).n == strlen("\"\"");
}

/* True when the value of a member counts as absent: "" does with TG_CONTRACT_EMPTY. */
static inline bool tg_contract_absent(const struct tg_doc *d, uint32_t node,
                                      const struct tg_contract_member *member)
{
    return tg_contract_is_absent(d, node, (member->flags & TG_CONTRACT_EMPTY) != 0);
}

#endif
