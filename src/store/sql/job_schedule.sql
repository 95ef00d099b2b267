-- write: asks for the check of projects that were not checked for an hour; one asks at a time, the others find it done. How many.
-- One that was given up is tried anew an hour later. In one order, because analysts ask for the same ones.
with alone as materialized (
	select pg_try_advisory_xact_lock(hashtext('callmend_job_schedule')) as mine
), due as materialized (
	select p.id, p.org_id from projects p, alone
	where alone.mine and p.archived_at is null
		and not exists (select from detections d where d.project_id = p.id and d.checked_at > now() - interval '1 hour')
		and not exists (select from jobs j where j.kind = 'detect' and j.key = p.id::text
			and (j.state <> 'dead' or j.updated_at > now() - interval '1 hour'))
	order by p.id::text
), asked as materialized (
	select callmend_job('detect', due.id::text, due.org_id, null, 0) from due
)
select to_jsonb(count(*)) from asked
