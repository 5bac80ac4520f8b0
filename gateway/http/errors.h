/*
 * Everything that can end an exchange other than a relayed answer, as one table: the word the audit
 * log uses, what the client gets (contract section 5), and how loud the error log is.
 */
#ifndef TG_HTTP_ERRORS_H
#define TG_HTTP_ERRORS_H

#include "base/log.h"

/* id, word, status, API code, error type of RFC 9209 section 2.3, log level, English, Chinese */
#define TG_ERRORS(X)                                                                               \
    X(DONE, "done", 0, "", "", DEBUG, "answered", "已应答")                                        \
    X(BAD_REQUEST, "bad_request", 400, "ModelArts.4105", "http_request_error", INFO,               \
      "bad request", "请求有误")                                                                   \
    X(URI_TOO_LONG, "uri_too_long", 414, "ModelArts.4104", "http_request_error", INFO,             \
      "the request target is too long", "请求地址过长")                                            \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "ModelArts.4104", "http_request_error", INFO,         \
      "the request header fields are too large", "请求头过大")                                     \
    X(HEAD_TIMEOUT, "head_timeout", 408, "ModelArts.4105", "http_request_error", INFO,             \
      "the request header did not arrive in time", "接收请求头超时")                               \
    X(BODY_TIMEOUT, "body_timeout", 408, "ModelArts.4105", "http_request_error", INFO,             \
      "the request body did not arrive in time", "接收请求体超时")                                 \
    X(EXPECTATION, "expectation", 417, "ModelArts.4105", "http_request_error", INFO,               \
      "the expectation cannot be met", "无法满足 Expect 要求")                                     \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "ModelArts.2803", "http_request_error", INFO,       \
      "the method or transfer coding is not supported", "不支持该方法或传输编码")                  \
    X(VERSION, "version", 505, "ModelArts.4105", "http_request_error", INFO,                       \
      "the HTTP version is not supported", "不支持该 HTTP 版本")                                   \
    X(NOT_FOUND, "not_found", 404, "ModelArts.0015", "destination_not_found", INFO,                \
      "no route for this path", "请求的路径不存在")                                                \
    X(METHOD, "method", 405, "ModelArts.2803", "http_request_denied", INFO,                        \
      "the method is not allowed for this path", "该路径不支持此方法")                             \
    X(BODY_TOO_LARGE, "body_too_large", 413, "ModelArts.4104", "http_request_error", INFO,         \
      "the request body is too large", "请求体过大")                                               \
    X(LENGTH_REQUIRED, "length_required", 411, "ModelArts.4105", "http_request_error", INFO,       \
      "the request needs a body with a length", "请求缺少长度")                                    \
    X(MEDIA_TYPE, "media_type", 415, "ModelArts.4105", "http_request_error", INFO,                 \
      "the Content-Type must be application/json", "Content-Type 必须是 application/json")         \
    X(ENCODING, "encoding", 415, "ModelArts.4105", "http_request_error", INFO,                     \
      "the body must have no Content-Encoding: send it as it is",                                  \
      "请求体不能使用 Content-Encoding, 请直接发送")                                               \
    X(NOT_JSON, "not_json", 400, "ModelArts.4105", "http_request_error", INFO,                     \
      "the request body is not valid JSON", "请求体不是合法的 JSON")                               \
    X(MISSING, "missing", 400, "ModelArts.0104", "http_request_error", INFO,                       \
      "a required member is missing", "缺少必填参数")                                              \
    X(INVALID, "invalid", 400, "ModelArts.0107", "http_request_error", INFO,                       \
      "a member is invalid", "参数不合法")                                                         \
    X(OBS_PATH, "obs_path", 400, "ModelArts.0404", "http_request_error", INFO,                     \
      "an OBS path is invalid", "OBS 路径不合法")                                                  \
    X(POLICY, "policy", 403, "ModelArts.0105", "http_request_denied", INFO,                        \
      "denied by the organisation's policy", "组织策略不允许")                                     \
    X(SIGNED_CHANGE, "signed_change", 400, "ModelArts.0107", "http_request_error", INFO,           \
      "the request is signed and needs changes, which its signature forbids",                      \
      "请求已签名, 但请求体需要修改")                                                              \
    X(SIGNED_REFUSED, "signed_refused", 401, "ModelArts.0105", "http_request_denied", INFO,        \
      "signed requests are not accepted here", "此处不接受签名请求")                               \
    X(AUTH_MISSING, "auth_missing", 401, "ModelArts.0205", "http_request_denied", INFO,            \
      "this location takes signed requests only", "此处只接受签名请求")                            \
    X(AUTH_MALFORMED, "auth_malformed", 401, "ModelArts.0208", "http_request_denied", INFO,        \
      "the Authorization field cannot be read", "Authorization 格式不正确")                        \
    X(AUTH_UNKNOWN, "auth_unknown", 401, "ModelArts.0208", "http_request_denied", INFO,            \
      "the access key is not known", "访问密钥不存在")                                             \
    X(AUTH_EXPIRED, "auth_expired", 401, "ModelArts.0207", "http_request_denied", INFO,            \
      "the signature has expired", "签名已过期")                                                   \
    X(AUTH_MISMATCH, "auth_mismatch", 401, "ModelArts.0208", "http_request_denied", INFO,          \
      "the signature does not hold", "签名校验失败")                                               \
    X(AUTH_PAYLOAD, "auth_payload", 401, "ModelArts.0208", "http_request_denied", INFO,            \
      "the signature does not cover the body", "签名未覆盖请求体")                                 \
    X(AUTH_LOCKED, "auth_locked", 401, "ModelArts.0208", "http_request_denied", WARN,              \
      "the access key failed too often from this address", "该地址使用此访问密钥失败次数过多")     \
    X(AUTH_PROJECT, "auth_project", 403, "ModelArts.0210", "http_request_denied", INFO,            \
      "the project is not of this key", "该密钥不能用于此项目")                                    \
    X(AUTH_ORIGIN, "auth_origin", 403, "ModelArts.0105", "http_request_denied", WARN,              \
      "a web page asks, or a name that is not the gateway's",                                      \
      "请求来自网页或使用了非网关的主机名")                                                        \
    X(TOKEN_REFUSED, "token_refused", 401, "ModelArts.0205", "http_request_denied", INFO,          \
      "the identity service does not know the token", "身份服务不认可此令牌")                      \
    X(TOKEN_PROJECT, "token_project", 403, "ModelArts.0210", "http_request_denied", INFO,          \
      "the token is of another project", "令牌属于其他项目")                                       \
    X(LOOKUP, "lookup", 503, "ModelArts.4700", "destination_unavailable", WARN,                    \
      "what the decision needs could not be found out", "无法获取判断所需的信息")                  \
    X(CREDENTIAL_MISSING, "credential_missing", 503, "ModelArts.4700",                             \
      "proxy_configuration_error", ERROR, "the gateway's credential is not available",             \
      "网关的凭据不可用")                                                                          \
    X(CREDENTIAL_REFUSED, "credential_refused", 502, "ModelArts.4302",                             \
      "proxy_configuration_error", ERROR, "the gateway's credential was refused",                  \
      "网关的凭据被拒绝")                                                                          \
    X(LIMITED, "limited", 429, "ModelArts.0114", "http_request_denied", INFO, "too many requests", \
      "请求过多")                                                                                  \
    X(LIMIT_STORE, "limit_store", 503, "ModelArts.4700", "destination_unavailable", WARN,          \
      "the limits could not be asked", "无法查询限流状态")                                         \
    X(UPSTREAM_RESOLVE, "upstream_resolve", 502, "ModelArts.4302", "dns_error", ERROR,             \
      "the name of the upstream could not be resolved", "无法解析上游域名")                        \
    X(UPSTREAM_CONNECT, "upstream_connect", 502, "ModelArts.4302", "connection_refused", ERROR,    \
      "the upstream refused the connection", "上游拒绝连接")                                       \
    X(UPSTREAM_TLS, "upstream_tls", 502, "ModelArts.4302", "tls_protocol_error", ERROR,            \
      "no trusted TLS connection to the upstream", "与上游的 TLS 连接不可信")                      \
    X(UPSTREAM_CLOSED, "upstream_closed", 502, "ModelArts.4302", "connection_terminated", ERROR,   \
      "the upstream closed the connection before its answer was complete",                         \
      "上游在应答完成前断开连接")                                                                  \
    X(UPSTREAM_NONSENSE, "upstream_nonsense", 502, "ModelArts.4302", "http_protocol_error", ERROR, \
      "the upstream's answer is not valid HTTP", "上游应答不是合法的 HTTP")                        \
    X(PROXY_CONNECT, "proxy_connect", 502, "ModelArts.4302", "connection_refused", ERROR,          \
      "the forward proxy could not be connected to", "无法连接转发代理")                           \
    X(PROXY_AUTH, "proxy_auth", 502, "ModelArts.4302", "proxy_configuration_error", ERROR,         \
      "the forward proxy wants another user or password", "转发代理认证失败")                      \
    X(PROXY_REFUSED, "proxy_refused", 502, "ModelArts.4302", "destination_unavailable", ERROR,     \
      "the forward proxy makes no connection to the upstream", "转发代理拒绝连接上游")             \
    X(PROXY_FAILED, "proxy_failed", 502, "ModelArts.4302", "connection_terminated", ERROR,         \
      "the connection through the forward proxy broke before it stood",                            \
      "经转发代理的连接在建立前中断")                                                              \
    X(PROXY_TIMEOUT, "proxy_timeout", 504, "ModelArts.4503", "connection_timeout", ERROR,          \
      "the forward proxy made no connection in time", "转发代理建立连接超时")                      \
    X(CONNECT_TIMEOUT, "connect_timeout", 504, "ModelArts.4503", "connection_timeout", ERROR,      \
      "the upstream could not be reached in time", "连接上游超时")                                 \
    X(SEND_TIMEOUT, "send_timeout", 504, "ModelArts.4503", "connection_write_timeout", ERROR,      \
      "the upstream did not take the request in time", "向上游发送请求超时")                       \
    X(READ_TIMEOUT, "read_timeout", 504, "ModelArts.4503", "connection_read_timeout", ERROR,       \
      "the upstream did not answer in time", "等待上游应答超时")                                   \
    X(DRAINING, "draining", 503, "ModelArts.4700", "proxy_internal_response", INFO,                \
      "the gateway is shutting down", "网关正在停止")                                              \
    X(OVERLOADED, "overloaded", 503, "ModelArts.4700", "connection_limit_reached", WARN,           \
      "the gateway is overloaded", "网关过载")                                                     \
    X(AUDIT, "audit", 503, "ModelArts.4700", "proxy_internal_error", ERROR,                        \
      "the audit log cannot be written", "无法写入审计日志")                                       \
    X(FILTER_TIMEOUT, "filter_timeout", 504, "ModelArts.4503", "proxy_internal_error", ERROR,      \
      "a filter did not decide in time", "过滤器超时")                                             \
    X(INTERNAL, "internal", 500, "ModelArts.4302", "proxy_internal_error", ERROR,                  \
      "internal error of the gateway", "网关内部错误")                                             \
    X(CLIENT_GONE, "client_gone", 0, "", "", INFO, "the client closed the connection",             \
      "客户端断开连接")                                                                            \
    X(CLIENT_TIMEOUT, "client_timeout", 0, "", "", INFO,                                           \
      "the client did not take the answer in time", "客户端接收应答超时")                          \
    X(PLAIN_HTTP, "plain_http", 400, "ModelArts.4105", "http_request_error", INFO,                 \
      "plain HTTP was sent to a port that speaks TLS: ask with https",                             \
      "向 TLS 端口发送了明文 HTTP: 请使用 https")                                                  \
    X(CLIENT_TLS, "client_tls", 0, "", "", INFO, "no TLS connection with the client",              \
      "未能与客户端建立 TLS 连接")                                                                 \
    X(PROXY_HEADER, "proxy_header", 0, "", "", INFO, "no valid PROXY header", "缺少有效的 PROXY 头")

enum tg_error {
#define X(id, word, status, code, type, level, en, zh) TG_E_##id,
    TG_ERRORS(X)
#undef X
        TG_E_COUNT
};

struct tg_error_info {
    const char *word; /* stable: audit field `end`, metrics label, `trainguard explain` */
    int status;       /* 0: no answer can be sent */
    const char *code; /* ModelArts.NNNN */
    const char *type; /* `error` of Proxy-Status (RFC 9209); "" without a status */
    enum tg_log_level level;
    const char *message;
    const char *message_zh;
};

/* The row of an error (CHECKed). */
const struct tg_error_info *tg_error_info(enum tg_error error);

/* True for the rows by which a caller is not believed; they stand together, and their words begin
 * with "auth_". */
bool tg_error_is_auth(enum tg_error error);

/* The reason phrase of RFC 9110 for a status, or "" for one it does not know. */
const char *tg_reason_phrase(int status);

#endif
