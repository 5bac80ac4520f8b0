/* The table of the members of a config, and of the objects in it. */
#include "contract/contract.h"

#define STRING(name, flags, max)                                                                   \
    {                                                                                              \
        name, sizeof(name) - 1, TG_CONTRACT_STRING, flags, 0, max, NULL                            \
    }
#define INTEGER(name, min)                                                                         \
    {                                                                                              \
        name, sizeof(name) - 1, TG_CONTRACT_INTEGER, TG_CONTRACT_HARMLESS, min, INT64_MAX, NULL    \
    }
#define OTHER(name, type, members)                                                                 \
    {                                                                                              \
        name, sizeof(name) - 1, TG_CONTRACT_##type, 0, 0, 0, members                               \
    }
#define RESPONSE(name)                                                                             \
    {                                                                                              \
        name, sizeof(name) - 1, TG_CONTRACT_ANY, TG_CONTRACT_RESPONSE | TG_CONTRACT_HARMLESS, 0,   \
            0, NULL                                                                                \
    }
#define OMITTED(name)                                                                              \
    {                                                                                              \
        name, sizeof(name) - 1, TG_CONTRACT_ANY, TG_CONTRACT_OMIT, 0, 0, NULL                      \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

enum {
    EMPTY = TG_CONTRACT_EMPTY,
    HARMLESS = TG_CONTRACT_HARMLESS,
    OMIT = TG_CONTRACT_OMIT,
    OBS = TG_CONTRACT_OBS | TG_CONTRACT_EMPTY | TG_CONTRACT_HARMLESS,
    DIRECTORY = TG_CONTRACT_DIRECTORY | OBS,
    DATA = TG_CONTRACT_DATA | OBS
};

static const struct tg_contract_member parameter_members[] = {
    [TG_PARAMETER_LABEL] = STRING("label", HARMLESS, 0),
    [TG_PARAMETER_VALUE] = STRING("value", OMIT, 0),
    /* real clients send these back */
    OMITTED("required"),
    OMITTED("placeholder"),
    OMITTED("placeholder_cn"),
    OMITTED("placeholder_en"),
    OMITTED("tip"),
    END,
};

static const struct tg_contract_member source_members[] = {
    [TG_SOURCE_TYPE] = STRING("type", EMPTY | HARMLESS, 0),
    [TG_SOURCE_DATA_URL] = STRING("data_url", DATA, 0),
    [TG_SOURCE_DATASET_ID] = STRING("dataset_id", EMPTY | HARMLESS, 0),
    [TG_SOURCE_DATASET_VERSION] = STRING("dataset_version", EMPTY | HARMLESS, 0),
    END,
};

static const struct tg_contract_member flavor_members[] = {
    STRING("code", EMPTY | HARMLESS, 0),
    END,
};

const struct tg_contract_member tg_contract_config[] = {
    [TG_CONFIG_DESC] = STRING("config_desc", OMIT, 256),
    [TG_WORKER_SERVER_NUM] = INTEGER("worker_server_num", 1),
    [TG_APP_URL] = STRING("app_url", DIRECTORY, 0),
    [TG_BOOT_FILE_URL] = STRING("boot_file_url", OBS, 0),
    [TG_MODEL_ID] = INTEGER("model_id", 0),
    [TG_PARAMETER] = OTHER("parameter", OBJECTS, parameter_members),
    [TG_SPEC_ID] = INTEGER("spec_id", 0),
    [TG_DATA_URL] = STRING("data_url", DATA, 0),
    [TG_DATASET_ID] = STRING("dataset_id", EMPTY | HARMLESS, 0),
    [TG_DATASET_VERSION_ID] = STRING("dataset_version_id", EMPTY | HARMLESS, 0),
    [TG_DATA_SOURCE] = OTHER("data_source", OBJECTS, source_members),
    [TG_ENGINE_ID] = INTEGER("engine_id", 0),
    [TG_TRAIN_URL] = STRING("train_url", DIRECTORY, 0),
    [TG_LOG_URL] = STRING("log_url", DIRECTORY, 0),
    [TG_USER_IMAGE_URL] = STRING("user_image_url", EMPTY | HARMLESS, 0),
    [TG_USER_COMMAND] = STRING("user_command", EMPTY | OMIT, 0),
    [TG_FLAVOR] = OTHER("flavor", OBJECT, flavor_members),
    /* a create names the config in its body, a GET answers with it */
    [TG_CONFIG_NAME] = {"config_name", sizeof("config_name") - 1, TG_CONTRACT_STRING,
                        TG_CONTRACT_RESPONSE | TG_CONTRACT_HARMLESS, 0, 0, NULL},
    /* other members that real clients send and the service takes */
    [TG_POOL_ID] = STRING("pool_id", EMPTY | HARMLESS, 0),
    [TG_VOLUMES] = OTHER("volumes", ARRAY, NULL),
    [TG_NAS_TYPE] = STRING("nas_type", EMPTY | HARMLESS, 0),
    [TG_NAS_SHARE_ADDR] = STRING("nas_share_addr", EMPTY | HARMLESS, 0),
    [TG_NAS_MOUNT_PATH] = STRING("nas_mount_path", EMPTY | HARMLESS, 0),
    [TG_NOTIFICATION] = OTHER("notification", ANY, NULL),
    [TG_CREATE_VERSION] = OTHER("create_version", ANY, NULL),
    /* members that only a GET answers with */
    [TG_IS_SUCCESS] = RESPONSE("is_success"),
    [TG_ENGINE_TYPE] = RESPONSE("engine_type"),
    [TG_ENGINE_NAME] = RESPONSE("engine_name"),
    [TG_ENGINE_VERSION] = RESPONSE("engine_version"),
    [TG_SPEC_CODE] = RESPONSE("spec_code"),
    [TG_GPU_TYPE] = RESPONSE("gpu_type"),
    [TG_GPU_NUM] = RESPONSE("gpu_num"),
    [TG_CPU] = RESPONSE("cpu"),
    [TG_CORE] = RESPONSE("core"),
    [TG_CREATE_TIME] = RESPONSE("create_time"),
    [TG_DATASET_NAME] = RESPONSE("dataset_name"),
    [TG_DATASET_VERSION_NAME] = RESPONSE("dataset_version_name"),
    [TG_POOL_NAME] = RESPONSE("pool_name"),
    [TG_CONFIG_ROWS] = END,
};
