-- write: asks for the analysis of one call, or of all finished calls of a project since a time, once more.
-- $1 org  $2 actor  $3 call id or the provider's, or null  $4 project id or null  $5 since (time) or null: all  $6 reason
-- {"jobs": n}; null: no such finished call, no such project
with call as materialized (
	select c.id, c.org_id from calls c
	where c.org_id = $1::uuid and $3::text is not null and c.id = callmend_call_id($1::uuid, $3::text)
		and not c.live and c.project_id is not null
), asked as materialized (
	select callmend_job('analyse', c.id::text, c.org_id, null, 0) from call c
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'reanalyse', 'call', call.id::text, jsonb_build_object('jobs', 1), $6::text from call, asked
)
select jsonb_build_object('jobs', count(*)) from asked having count(*) > 0
union all
select callmend_reanalyse($1::uuid, $2::text, callmend_uuid($4::text), $5::timestamptz, $6::text) where $3::text is null
