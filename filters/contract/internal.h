/*
 * Judging a config, for the files of this folder. In the order in which they call: judge.c has what
 * all rules share and those about the config as a whole, lists.c, paths.c and types.c the rules by
 * subject, rules.c the table of the rules, which it walks.
 */
#ifndef TG_CONTRACT_INTERNAL_H
#define TG_CONTRACT_INTERNAL_H

#include "contract/contract.h"

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
    const struct tg_contract_rule *rule; /* at work */
    const uint32_t *member;              /* value nodes by number, or TG_NONE */
    uint32_t present; /* a bit for each of TG_CONFIG_MEMBERS that does not count as absent */
    unsigned faults;  /* enum tg_member_fault, or-ed: those of any member */
};

/* True when the judged config has a member that does not count as absent. */
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

/* A sentence that shows a value of the document; its texts are static or in the arena. */
struct tg_judge_sentence {
    const char *before, *before_zh; /* the value */
    const char *after, *after_zh;
    struct tg_str value; /* as it is shown */
    uint32_t of;         /* the node it is the value of */
};

/* Adds a finding of the current rule at a node that shows a value. */
void tg_judge_say_value(struct tg_judge *j, uint32_t node, const struct tg_judge_sentence *s);

/* Adds a finding of the current rule for a member that `object` lacks: it has a pointer, but no
 * place. The texts are static. */
void tg_judge_lacks(struct tg_judge *j, uint32_t object, const char *name, const char *text,
                    const char *text_zh);

/* Fills j->faults and j->present by one walk over all members. */
void tg_judge_look(struct tg_judge *j);

/* Fills in the faults of the labels of `parameter`. */
void tg_judge_labels(struct tg_judge *j);

/* The faults of a member that is an OBS path and not absent. Notes it when it is well formed. */
unsigned tg_judge_path_faults(const struct tg_doc *d, uint32_t node,
                              const struct tg_contract_member *member);

/*
 * The checks, one for each rule, whose row in rules.c says what it demands. A check looks at the
 * document and adds a finding of the current rule for each node that breaks it; it changes nothing.
 *
 * Of types and names (types.c):
 */
void tg_check_type(struct tg_judge *j);
void tg_check_range(struct tg_judge *j);
void tg_check_length(struct tg_judge *j);
void tg_check_spelling(struct tg_judge *j);
void tg_check_unknown(struct tg_judge *j);

/* Checks of paths and images (paths.c). */
void tg_check_obs_path(struct tg_judge *j);
void tg_check_data_path(struct tg_judge *j);
void tg_check_obs_ascii(struct tg_judge *j);
void tg_check_slash(struct tg_judge *j);
void tg_check_boot_file(struct tg_judge *j);
void tg_check_image(struct tg_judge *j);

/* Checks of labels and data sources (lists.c). */
void tg_check_label_missing(struct tg_judge *j);
void tg_check_label_empty(struct tg_judge *j);
void tg_check_label_twice(struct tg_judge *j);
void tg_check_data_source(struct tg_judge *j);

/* Checks of the whole config (judge.c). */
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
