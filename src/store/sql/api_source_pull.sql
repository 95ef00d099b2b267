-- write: asks for the finished calls of a source from the provider's API; an analyst does it.
-- $1 org  $2 actor  $3 source  $4 since or null: since the last time  $5 until or null: now  $6 requests a minute or null
-- $7 reason
-- {"kind","key","payload"}: the job; null: no such source
with source as materialized (
	select s.id, s.org_id, json_build_object('since', callmend_time($4::timestamptz),
		'until', callmend_time($5::timestamptz), 'rate', $6::int)::jsonb as payload
	from sources s
	where s.org_id = $1::uuid and s.id = callmend_uuid($3::text) and s.archived_at is null
), refused as materialized (
	select callmend_conflict('the source has no private key') from source join sources s using (id)
	where s.private_key is null
	union all
	select callmend_conflict('calls of the source are waiting to be pulled already') from source
	join jobs j on j.kind = 'pull' and j.key = source.id::text and j.state = 'queued'
), asked as materialized (
	select callmend_job('pull', source.id::text, source.org_id, source.payload, 0) from source
	where not exists (select from refused)
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'pull', 'source', source.id::text, source.payload, $7::text from source, asked
)
select json_build_object('kind', 'pull', 'key', source.id, 'payload', source.payload) from source, asked
