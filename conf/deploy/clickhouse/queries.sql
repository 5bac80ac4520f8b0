-- What an auditor asks the table of schema.sql. FINAL counts a line that was delivered twice once.

-- Who changed a config? Each change that the service took; the diff is in `raw`.
SELECT time, method, user_name, principal, client, request_id
FROM audit FINAL
WHERE project_id = 'PROJECT' AND config_name = 'CONFIG' AND changed
ORDER BY time, microsecond;

-- How many requests did each rule refuse, by day?
SELECT toDate(time) AS day, arrayJoin(refused) AS rule, count() AS requests, uniq(project_id) AS projects
FROM audit FINAL
WHERE event = 'outcome'
GROUP BY day, rule
ORDER BY day, requests DESC, rule;

-- Whom would rules and limits on trial (dry runs) have refused?
SELECT arrayJoin(would_refuse) AS rule, project_id, principal, count() AS requests, max(time) AS last
FROM audit FINAL
WHERE event = 'outcome'
GROUP BY rule, project_id, principal
ORDER BY rule, requests DESC, project_id, principal;

-- One request's story, as it was written.
SELECT raw
FROM audit FINAL
WHERE request_id = 'REQUEST'
ORDER BY time, microsecond, seq
FORMAT TSVRaw;

-- Which gateways wrote, and is the end of any missing? Compare with trainguard_audit_last_seq.
SELECT stream, max(instance) AS gateway, min(time) AS first, max(time) AS last, max(seq) AS last_seq, max(event = 'stop') AS ended
FROM audit FINAL
GROUP BY stream
ORDER BY last DESC, stream;

-- Everything, as the gateways wrote it, for `trainguard audit verify --stored -`.
SELECT raw
FROM audit
ORDER BY stream, seq
FORMAT TSVRaw;
