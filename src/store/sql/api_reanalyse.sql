-- write: asks for the analysis of one call, or of all finished calls of a project since a time, once more.
-- $1 org  $2 actor  $3 call id or the provider's, or null  $4 project id or null  $5 since (time) or null: all  $6 reason
-- {"jobs": n}; null: no such finished call, no such project
with call as materialized (
	select c.id, c.org_id from calls c
	where c.org_id = $1::uuid and $3::text is not null and c.id = callmend_call_id($1::uuid, $3::text)
		and not c.live and c.project_id is not null
), project as materialized (
	select p.id from projects p where $3::text is null and p.org_id = $1::uuid and p.id = callmend_uuid($4::text)
), chosen as materialized (
	select id, org_id from call
	union all
	select c.id, c.org_id from calls c join project p on p.id = c.project_id
	where c.org_id = $1::uuid and not c.live and ($5::timestamptz is null or c.started_at >= $5::timestamptz)
), asked as materialized (
	select callmend_job('analyse', c.id::text, c.org_id, null, 0) from (select * from chosen order by id) c
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'reanalyse', case when call.id is null then 'project' else 'call' end,
		coalesce(call.id, project.id)::text, json_build_object('since', $5::text, 'jobs', (select count(*) from asked)),
		$6::text
	from (select 1) one left join call on true left join project on true
	where call.id is not null or project.id is not null
)
select json_build_object('jobs', (select count(*) from asked))
from (select 1) one where exists (select from call) or exists (select from project)
