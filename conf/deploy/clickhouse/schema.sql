-- One audit trail of many gateways, for ClickHouse 18.16 and newer. Columns are those that
-- `trainguard audit columns` prints, in its order; `raw` is the line as its worker wrote it, so
-- that what comes back verifies. The same line twice becomes one: shippers may deliver it again.
--
--     clickhouse-client --multiquery <schema.sql
--     trainguard audit columns audit.jsonl | clickhouse-client -q 'INSERT INTO audit FORMAT TSV'

CREATE TABLE IF NOT EXISTS audit
(
    stream          String,
    seq             UInt64,
    event           String,
    time            DateTime,
    microsecond     UInt32,
    instance        String,
    request_id      String,
    project_id      String,
    config_name     String,
    method          String,
    route           String,
    path            String,
    client          String,
    principal       String,
    user_name       String,
    user_domain     String,
    decision        String,
    end             String,
    status          UInt16,
    upstream_status UInt16,
    duration_us     UInt64,
    changed         UInt8,
    refused         Array(String),
    would_refuse    Array(String),
    raw             String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (stream, seq, event);
