/* The table of topics: what each word means, and how to mend what it names. */
#include "admin/topics.h"

#include "base/check.h"
#include "contract/contract.h"

/* How to mend what a name of one of the other tables stands for. */
struct mend {
    const char *name;
    const char *mend;
    const char *mend_zh;
};

static const struct mend rule_mends[] = {
    {"json", "correct the text at the place named; any strict JSON checker finds the same",
     "在所示位置修正文本, 任何严格的 JSON 检查工具都会给出相同结果"},
    {"duplicate", "keep one member of that name; which one a reader takes is not defined",
     "同名成员只保留一个, 读取方采用哪一个没有定义"},
    {"limit", "a config needs a few levels and some hundred values; look for what grew by mistake",
     "配置只需要几层嵌套和几百个值, 请检查误增的内容"},
    {"config_at", "put the config where this API call expects it", "将配置放到该接口要求的位置"},
    {"key_and_label", "keep \"label\" and remove \"key\", after making sure which one is meant",
     "确认以哪一个为准, 然后保留 label 并删除 key"},
    {"response_name", "remove config_name from the body, or use the path of that config",
     "从请求体中删除 config_name, 或使用该配置对应的路径"},
    {"signed_change", "make the changes listed and sign again; the signature covers the body",
     "按列表修改后重新签名, 签名覆盖整个请求体"},
    {"catalogue", "take one of those named; `trainguard catalogue fetch` lists them all",
     "从所列项中选择, trainguard catalogue fetch 可列出全部"},
    {"catalogue_stock", "take another specification, or wait until there is room",
     "改用其他资源规格, 或等待资源释放"},
    {"catalogue_engine", "take a specification with GPUs, or an engine without",
     "改用有 GPU 的资源规格, 或不需要 GPU 的引擎"},
    {"catalogue_unknown", "see the record's `lookups` for what the service answered",
     "查看记录中的 lookups 了解服务的应答"},
    {"unchanged", "leave the PUT out, or look for the change that got lost",
     "可以省去此 PUT, 或检查遗漏的修改"},
    {"type", "write the value as the type named: strings in quotes, integers as plain digits",
     "按所示类型书写: 字符串加引号, 整数只写数字"},
    {"range", "use a number in the range named", "填写所示范围内的数字"},
    {"length", "shorten the text", "缩短文本"},
    {"config_name", "use 1 to 64 of A-Z, a-z, 0-9, - and _",
     "使用 1 到 64 个字母, 数字, 中划线或下划线"},
    {"obs_path", "write /bucket/folder/ with an existing bucket, without //, . or ..",
     "写成 /桶名/目录/ 的形式, 桶必须存在, 不含 //, . 或 .."},
    {"data_path", "add the folder or file behind the bucket, such as /bucket/data/",
     "在桶名后加上目录或文件, 如 /bucket/data/"},
    {"obs_ascii",
     "rename the folder or file to ASCII characters; the service's own rules differ here",
     "将目录或文件改为 ASCII 名称, 服务自身对此的规定不一致"},
    {"boot_file", "put the boot file into the folder of app_url, or name the folder it is in",
     "将启动文件放入 app_url 目录, 或将 app_url 改为其所在目录"},
    {"image", "write the image as host[:port]/organisation/repository:tag, without http://",
     "镜像写成 host[:port]/组织/仓库:标签, 不带 http://"},
    {"label_missing", "give the parameter a \"label\"", "为该参数填写 label"},
    {"label_empty", "give the parameter a name, or remove it", "为该参数填写名称, 或将其删除"},
    {"label_twice", "keep one of the parameters; the later one may win without notice",
     "只保留其中一个参数, 后者可能悄然生效"},
    {"data_source",
     "give each element either obs with data_url, or dataset with dataset_id and "
     "dataset_version",
     "每个元素填写 obs 和 data_url, 或者 dataset 和 dataset_id, dataset_version"},
    {"required", "add the member; a PUT replaces the whole config",
     "补充该参数, PUT 会整体替换配置"},
    {"code_pair", "add the one that is missing, or remove the other",
     "补充缺少的一个, 或删除另一个"},
    {"algorithm", "name a built-in algorithm, your code, or an image",
     "填写内置算法, 自己的代码或镜像之一"},
    {"image_command", "add the one that is missing; without it the job may not start",
     "补充缺少的一个, 否则作业可能无法启动"},
    {"dataset_pair", "add the one that is missing, or remove the other",
     "补充缺少的一个, 或删除另一个"},
    {"data_conflict", "keep the data source that is meant and remove the others",
     "保留需要的数据来源, 删除其余"},
    {"data_missing", "add data_url, or the dataset pair, or data_source",
     "填写 data_url, 或数据集 ID 与版本, 或 data_source"},
    {"model_alone", "remove app_url, boot_file_url and engine_id: the algorithm brings its own",
     "删除 app_url, boot_file_url 和 engine_id, 内置算法自带这些内容"},
    {"slash", "add a \"/\" at the end", "在末尾加上 /"},
    {"spelling", "write the name as the API has it, or remove the member",
     "按 API 的写法填写参数名, 或删除该参数"},
    {"unknown", "correct the spelling, or remove the member: the service ignores it",
     "修正拼写或删除该参数, 服务会忽略它"},
    {NULL, NULL, NULL},
};

/* What the normalizations do (contract section 3), by the names their changes carry. */
static const struct {
    const char *name;
    const char *what;
    const char *what_zh;
    const char *mend;
    const char *mend_zh;
} changes[] = {
    {"key_to_label", "a parameter's old member \"key\" is called \"label\"",
     "参数的旧成员 key 改名为 label", "write \"label\"", "直接写 label"},
    {"number_to_string", "a number as a parameter's value becomes a string with the same digits",
     "参数值中的数字改为相同内容的字符串", "write the value in quotes", "给值加上引号"},
    {"string_to_integer", "a plain integer in quotes loses them where the API wants an integer",
     "API 要求整数时, 去掉整数的引号", "write the integer without quotes", "整数不加引号"},
    {"obs_scheme", "obs:// or s3:// before a bucket becomes /", "桶名前的 obs:// 或 s3:// 改为 /",
     "write /bucket/...", "写成 /桶名/..."},
    {"drop_response_members", "members that only an answer carries are removed",
     "删除仅在响应中出现的成员", "send only what a config has", "只发送配置所含的成员"},
    {"drop_nulls", "members whose value is null are removed", "删除值为 null 的成员",
     "leave unset members out", "不写未设置的成员"},
    {"directory_slash", "a directory gets its closing /", "目录末尾补上 /", "write it", "自行写上"},
    {"engine_default", "engine_id 1 is added where an engine is needed and none is named",
     "需要引擎而未填写时补上 engine_id 1", "name the engine that is meant", "明确填写引擎"},
    {"normalize_default", "a member the organisation has a default for is added",
     "补充组织设定了默认值的成员", "name the member to have another value",
     "填写该成员即可使用其他值"},
};

static const struct mend end_mends[] = {
    {"done", "nothing", "无需处理"},
    {"bad_request", "use a common HTTP client; the log of the gateway names what is wrong",
     "使用通用的 HTTP 客户端, 具体原因见网关日志"},
    {"uri_too_long", "shorten the path or the query", "缩短路径或查询参数"},
    {"head_too_large", "send fewer or shorter header fields; tokens are the usual cause",
     "减少或缩短请求头, 常见原因是令牌过长"},
    {"head_timeout", "look at the network between client and gateway",
     "检查客户端与网关之间的网络"},
    {"body_timeout", "look at the network between client and gateway",
     "检查客户端与网关之间的网络"},
    {"expectation", "send no Expect but 100-continue", "Expect 只能是 100-continue"},
    {"not_implemented", "use another method, and no transfer coding but chunked",
     "更换方法, 传输编码只能是 chunked"},
    {"version", "use HTTP/1.1 or HTTP/1.0", "使用 HTTP/1.1 或 HTTP/1.0"},
    {"not_found", "compare the path with the API's documentation", "对照 API 文档检查路径"},
    {"method", "use a method of the Allow field", "使用 Allow 中列出的方法"},
    {"body_too_large", "send less, or raise client_max_body_size",
     "减小请求体, 或调大 client_max_body_size"},
    {"length_required", "send a Content-Length or use chunked",
     "发送 Content-Length 或使用 chunked"},
    {"encoding", "send the body uncompressed, without Content-Encoding",
     "发送未压缩的请求体, 不带 Content-Encoding"},
    {"media_type", "send Content-Type: application/json", "发送 Content-Type: application/json"},
    {"not_json", "correct the text at the place named", "在所示位置修正文本"},
    {"missing", "add the members named", "补充所示参数"},
    {"invalid", "correct the members named", "修正所示参数"},
    {"obs_path", "write /bucket/folder/ with an existing bucket", "写成 /桶名/目录/ 的形式"},
    {"policy", "change what the rules name, or ask their owner for an exception",
     "按规则修改, 或向其负责人申请例外"},
    {"signed_change", "make the changes listed and sign again", "按列表修改后重新签名"},
    {"signed_refused", "use X-Auth-Token instead of AK and SK", "使用 X-Auth-Token 代替 AK/SK"},
    {"auth_missing", "sign the request with a key of the gateway's list (SDK-HMAC-SHA256)",
     "使用网关密钥列表中的密钥签名 (SDK-HMAC-SHA256)"},
    {"auth_malformed", "send Authorization as the vendor's SDKs do",
     "按厂商 SDK 的格式发送 Authorization"},
    {"auth_unknown", "ask who runs the gateway for a key that is in its list and still holds",
     "向网关管理员申请有效的密钥"},
    {"auth_expired", "set the clock of the machine that signs", "校准签名机器的时钟"},
    {"auth_mismatch", "compare what was signed with the canonical request in the answer",
     "将签名内容与应答中的规范请求比较"},
    {"auth_payload", "sign the hash of the body that is sent", "对实际发送的请求体签名"},
    {"auth_locked", "mend the secret of the client, then wait for five minutes",
     "修正客户端的密钥后等待五分钟"},
    {"token_refused", "get a new token from the identity service", "从身份服务获取新的令牌"},
    {"token_project", "use a token of the project that the path names", "使用路径中项目的令牌"},
    {"lookup", "try again; the record's `lookups` say which service did not answer and why",
     "请重试, 记录中的 lookups 说明了哪个服务没有应答及原因"},
    {"auth_project", "use a key that names the project of the path", "使用包含该项目的密钥"},
    {"auth_origin",
     "ask by an address, localhost or a name of `accept_host`, and not from a web page",
     "使用 IP 地址, localhost 或 accept_host 中的主机名, 且不要从网页发起请求"},
    {"credential_missing", "renew the key in the source of the location's credential",
     "更新网关凭据"},
    {"credential_refused",
     "see what `/credentials` and the error log say; renew the key in the source",
     "查看 /credentials 和错误日志, 更新网关凭据"},
    {"limited", "wait as long as Retry-After says", "按 Retry-After 等待"},
    {"limit_store", "try again; look at the server of the limit_store, or set its `on_error local`",
     "请重试; 检查限流存储服务器, 或设置 on_error local"},
    {"upstream_resolve", "look at the gateway's DNS and at `server` in its configuration",
     "检查网关的 DNS 和配置中的 server"},
    {"upstream_connect", "look at the endpoint, its port and firewalls",
     "检查终端节点, 端口和防火墙"},
    {"upstream_tls", "compare the endpoint's certificate with tls_ca and tls_name",
     "对照 tls_ca 和 tls_name 检查终端节点的证书"},
    {"upstream_closed", "try again; if it stays, look at the endpoint",
     "重试, 若持续则检查终端节点"},
    {"upstream_nonsense", "look at what stands between gateway and endpoint",
     "检查网关与终端节点之间的设备"},
    {"proxy_connect", "look at `proxy` in the configuration, the proxy and its port",
     "检查配置中的 proxy, 代理及其端口"},
    {"proxy_auth", "correct the user and password in `proxy_user_file` and reload",
     "修正 proxy_user_file 中的用户和密码并重新加载"},
    {"proxy_refused", "have the proxy allow CONNECT to the endpoint; 502 to 504: it finds it not",
     "在代理上允许 CONNECT 到终端节点; 502 至 504 表示代理无法到达"},
    {"proxy_failed", "look at the proxy's log: it cut the tunnel, or is no HTTP proxy",
     "查看代理日志: 它切断了隧道, 或不是 HTTP 代理"},
    {"proxy_timeout", "look at the proxy and the network before it, or raise connect_timeout",
     "检查代理及其网络, 或调大 connect_timeout"},
    {"connect_timeout", "look at the network, or raise connect_timeout",
     "检查网络, 或调大 connect_timeout"},
    {"send_timeout", "look at the network, or raise send_timeout", "检查网络, 或调大 send_timeout"},
    {"read_timeout",
     "the endpoint was slow; look there whether the request was done before repeating",
     "终端节点响应慢, 重试前先确认请求是否已生效"},
    {"draining", "try again; the next gateway takes it", "重试, 由下一个网关处理"},
    {"overloaded", "try again later, or give the gateway more workers", "稍后重试, 或增加 worker"},
    {"audit", "make room on the disk of the audit log and look at its rights",
     "清理审计日志所在磁盘并检查权限"},
    {"filter_timeout", "look at what the filter named in the log waits for",
     "检查日志中所示过滤器等待的对象"},
    {"internal", "the log of the gateway says more; please report it", "详见网关日志, 请反馈"},
    {"client_gone", "nothing, unless the client did not mean to leave",
     "除非客户端并非有意断开, 否则无需处理"},
    {"client_timeout", "look at the network between client and gateway",
     "检查客户端与网关之间的网络"},
    {"plain_http", "ask with https, or give the listener no tls", "使用 https, 或去掉监听器的 tls"},
    {"client_tls", "end_detail says what the client lacks: the protocol, or a certificate",
     "end_detail 说明客户端缺少什么: 协议或证书"},
    {"proxy_header", "only a load balancer that sends PROXY headers may connect to this address",
     "此地址只允许发送 PROXY 头的负载均衡器连接"},
    {NULL, NULL, NULL},
};

enum { CHANGES = sizeof(changes) / sizeof(*changes), ENDS = TG_E_COUNT };

static const struct mend *find_mend(const struct mend *rows, const char *name)
{
    while (rows->name != NULL && strcmp(rows->name, name) != 0)
        rows++;
    CHECK(rows->name != NULL); /* the tables are compared in a test */
    return rows;
}

static unsigned count_rules(void)
{
    unsigned n = 0;

    while (tg_contract_rules[n].id != NULL)
        n++;
    return n;
}

static struct tg_topic rule_topic(const struct tg_contract_rule *rule)
{
    const struct mend *m = find_mend(rule_mends, rule->id);

    CHECK(rule->severity != NULL && rule->text != NULL && rule->text_zh != NULL);
    return (struct tg_topic){TG_TOPIC_RULE, rule->id,      rule->error, rule->severity,
                             rule->text,    rule->text_zh, m->mend,     m->mend_zh};
}

static struct tg_topic change_topic(unsigned i)
{
    return (struct tg_topic){
        TG_TOPIC_CHANGE, changes[i].name,    TG_E_DONE,       NULL,
        changes[i].what, changes[i].what_zh, changes[i].mend, changes[i].mend_zh};
}

static struct tg_topic end_topic(enum tg_error error)
{
    const struct tg_error_info *info = tg_error_info(error);
    const struct mend *m = find_mend(end_mends, info->word);

    return (struct tg_topic){TG_TOPIC_END,  info->word,       error,   NULL,
                             info->message, info->message_zh, m->mend, m->mend_zh};
}

unsigned tg_topic_count(void)
{
    return count_rules() + CHANGES + ENDS;
}

struct tg_topic tg_topic_at(unsigned i)
{
    unsigned rules = count_rules();

    CHECK(i < tg_topic_count());
    if (i < rules)
        return rule_topic(&tg_contract_rules[i]);
    if (i < rules + CHANGES)
        return change_topic(i - rules);
    return end_topic((enum tg_error)(i - rules - CHANGES));
}

bool tg_topic_find(struct tg_str name, struct tg_topic *out)
{
    for (const struct tg_contract_rule *rule = tg_contract_rules; rule->id != NULL; rule++)
        if (tg_str_eq(tg_str_of(rule->id), name)) {
            *out = rule_topic(rule);
            return true;
        }
    for (unsigned i = count_rules(); i < tg_topic_count(); i++) {
        *out = tg_topic_at(i);
        if (tg_str_eq(tg_str_of(out->name), name))
            return true;
    }
    return false;
}
