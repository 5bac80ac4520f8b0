// All words of the page, in both languages. {0} is what a call puts there.

const words = {
    skip: ["Skip to the requests", "跳到请求列表"],
    language: ["Language", "语言"],
    now: ["Now", "当前"],
    requests_per_second: ["Requests per second", "每秒请求数"],
    last_15_minutes: ["last 15 minutes", "最近 15 分钟"],
    in_flight: ["{0} under way", "进行中 {0}"],
    decisions: ["Decisions", "判定"],
    decision: ["Decision", "判定"],
    decision_allow: ["allowed", "放行"],
    decision_changed: ["changed", "已修正"],
    decision_warn: ["warned", "告警"],
    decision_deny: ["denied", "拒绝"],
    decision_invalid: ["invalid", "无效"],
    decision_error: ["error", "错误"],
    since_start: ["since start", "启动以来"],
    per_minute: ["per minute", "每分钟"],
    phases: ["Where time goes", "耗时分布"],
    phase: ["Phase", "阶段"],
    phases_of: ["of the last minute; lines: p99", "最近一分钟；曲线为 p99"],
    phase_filters: ["filters", "过滤器"],
    phase_connect: ["connect", "建立连接"],
    phase_upstream: ["upstream", "上游"],
    phase_rest: ["reading, relaying", "读取与转发"],
    gateway: ["Gateway", "网关"],
    workers: ["Workers", "工作进程"],
    worker: ["worker", "工作进程"],
    worker_serving: ["serving", "服务中"],
    worker_draining: ["draining", "排空中"],
    worker_starting: ["starting", "启动中"],
    configuration: ["Configuration", "配置"],
    last_reload: ["Last reload", "上次重载"],
    reload_failed: ["failed", "失败"],
    never: ["never", "从未"],
    done: ["done", "成功"],
    running: ["Running for", "已运行"],
    restarts: ["Workers that died", "异常退出的工作进程"],
    state_good: ["serving", "服务正常"],
    state_draining: ["draining", "排空中"],
    state_lost: ["the gateway does not answer", "网关没有响应"],
    state_refused: ["the gateway refuses this address or token", "网关拒绝此地址或令牌"],
    state_waiting: ["…", "…"],
    requests: ["Requests", "请求"],
    keys: ["j k: walk · Enter: open · Esc: close", "j k：移动 · Enter：打开 · Esc：关闭"],
    filters: ["Filter the requests", "筛选请求"],
    project: ["Project", "项目"],
    config: ["Config or path", "配置或路径"],
    principal: ["Principal", "主体"],
    rule: ["Rule", "规则"],
    clear: ["Clear", "清除"],
    none_yet: ["No request yet. Ordinary ones are told from the moment this page looks, refused and changed ones always.", "还没有请求。普通请求自打开本页起显示，被拒绝和被修正的请求始终显示。"],
    none_match: ["No request here matches the filter.", "没有符合筛选条件的请求。"],
    no_request: ["(no request)", "（无请求）"],
    paused: ["Paused", "已暂停"],
    paused_new: ["Paused: {0} new", "已暂停：新增 {0}"],
    skipped: ["{0} more, not shown", "另有 {0} 条未显示"],
    anew: ["The gateway was started anew", "网关已重新启动"],
    changes: ["{0} changed", "修正 {0} 处"],
    would_refuse: ["would be refused: {0}", "本应拒绝：{0}"],
    record: ["Record", "记录"],
    close: ["Close", "关闭"],
    why: ["Why", "原因"],
    whole_body: ["whole body", "整个请求体"],
    change: ["What was changed", "修正内容"],
    value_not_told: ["(value not told)", "（值不显示）"],
    policy: ["policy", "策略"],
    policy_results: ["Policy results", "策略结果"],
    result_fail: ["failed", "未通过"],
    result_warn: ["warned", "告警"],
    result_skip: ["skipped", "跳过"],
    result_error: ["error", "错误"],
    result_pass: ["passed", "通过"],
    result_dryrun: ["would have refused", "本应拒绝"],
    excepted: ["exception {0}", "例外 {0}"],
    time: ["Time", "耗时"],
    address: ["Address", "地址"],
    status: ["Status", "状态码"],
    error_code: ["Error code", "错误码"],
    answer: ["Answer", "应答"],
    said_failed: ["is_success: false", "is_success: false"],
    said_unknown: ["not seen, it is coded", "未知（应答经过编码）"],
    ids: ["Ids, a click copies", "标识（点击复制）"],
    more: ["More", "其他"],
    received: ["received", "接收"],
    sent: ["sent", "发送"],
    body: ["Body, as the log tells it at metadata", "请求体（metadata 级别）"],
    no_answer: ["no answer", "无应答"],
    policies: ["Policies", "策略"],
    no_policies: ["none loaded", "未加载"],
    mode: ["Mode", "模式"],
    mode_deny: ["deny", "拒绝"],
    mode_warn: ["warn", "告警"],
    mode_dryrun: ["dry run", "试运行"],
    passed: ["passed", "通过"],
    refused: ["refused", "拒绝"],
    warned: ["warned", "告警"],
    dryrun_short: ["would refuse", "本应拒绝"],
    excepted_short: ["excepted", "例外"],
    last_hit: ["last hit", "最近命中"],
    last_failures: ["Last failures of {0}", "{0} 最近的失败"],
    none_seen: ["None seen since this page was opened.", "打开本页以来没有。"],
    show_in_list: ["Show in the list", "在列表中显示"],
    exceptions: ["Exceptions", "例外"],
    owner: ["owner", "负责人"],
    ticket: ["ticket", "工单"],
    until: ["until", "截止"],
    last_day: ["last day", "最后一天"],
    ended: ["ended", "已过期"],
    days_left: ["{0} days left", "剩余 {0} 天"],
    upstream: ["Upstream", "上游"],
    servers: ["Servers", "服务器"],
    connections: ["Connections", "连接数"],
    answers: ["Answers", "应答"],
    succeeded: ["succeeded", "成功"],
    failed: ["failed", "失败"],
    unknown: ["unknown", "未知"],
    errors: ["errors", "错误"],
    errors_by_kind: ["Errors by kind", "按类别的错误"],
    certificates: ["Certificates", "证书"],
    use_server: ["server", "服务端"],
    use_upstream: ["to the upstream", "上游客户端"],
    credentials: ["Credentials", "凭证"],
    audit_and_limits: ["Audit and limits", "审计与限流"],
    target: ["Log", "日志"],
    last_write: ["Last write", "最近写入"],
    records: ["Records", "记录数"],
    lost: ["Lost", "丢失"],
    write_errors: ["Writes that failed", "写入失败"],
    waiting: ["Waiting", "等待写入"],
    trouble: ["Trouble", "故障"],
    disk_left: ["Disk left", "剩余磁盘"],
    chain_heads: ["Chain heads", "链头"],
    limits: ["Limits", "限流"],
    limit: ["limit", "限流规则"],
    keys_known: ["keys", "键数"],
    kind: ["kind", "类型"],
    forgotten: ["no room", "空间不足"],
    busiest: ["Busiest keys", "最繁忙的键"],
    limit_stores: ["Stores of limits", "限流存储"],
    store_up: ["answers", "正常"],
    store_away: ["does not answer", "无应答"],
    gateways: ["{0} gateways", "{0} 个网关"],
    without_it: ["{0} judged without it", "{0} 次未经其判定"],
    feed_open: ["live", "实时"],
    feed_broken: ["feed interrupted, it will resume", "实时连接中断，将自动恢复"],
    feed_full: ["no place for another viewer, trying again", "查看者已满，稍后重试"],
    feed_resting: ["resting", "休眠"],
};

const languages = ["en", "zh"];
const listeners = [];
let current = 0;

// What was chosen before; else what the browser asks for.
function preferred() {
    let kept = null;
    try {
        kept = localStorage.getItem("trainguard.language");
    } catch { /* no storage here */ }
    return languages.indexOf(kept ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
}

export const language = () => languages[current];

export function t(key, ...values) {
    const text = (words[key] ?? [key, key])[current];
    return values.reduce((all, value, i) => all.replaceAll(`{${i}}`, () => value), text);
}

// Puts the words of the set language into everything that is marked with data-t.
function translate() {
    document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
    for (const node of document.querySelectorAll("[data-t]"))
        node.textContent = t(node.dataset.t);
    for (const node of document.querySelectorAll("[data-t-label]"))
        node.setAttribute("aria-label", t(node.dataset.tLabel));
    for (const button of document.querySelectorAll("[data-language]"))
        button.setAttribute("aria-pressed", button.dataset.language === language());
}

function choose(which) {
    current = which;
    translate();
    for (const listener of listeners)
        listener();
}

// Calls `listener` whenever another language was chosen.
export function onLanguage(listener) {
    listeners.push(listener);
}

export function startWords() {
    for (const button of document.querySelectorAll("[data-language]"))
        button.addEventListener("click", () => {
            try {
                localStorage.setItem("trainguard.language", button.dataset.language);
            } catch { /* it holds until the page is left */ }
            choose(languages.indexOf(button.dataset.language));
        });
    choose(Math.max(0, preferred()));
}
