-- write: has a job done that was given up or waits for its next attempt, now.
-- $1 org  $2 actor  $3 kind  $4 key  $5 reason
-- job; refused while it runs
with old as (
	select j.*, callmend_job_doc(j) as doc from jobs j
	where j.org_id = $1::uuid and j.kind = $3::text and j.key = $4::text for update
), new as (
	update jobs j set state = 'queued', attempts = 0, error = null, run_at = now(), updated_at = now()
	from old where j.kind = old.kind and j.key = old.key and old.state <> 'running'
	returning j.kind, j.key, callmend_job_doc(j) as doc, pg_notify('callmend_job', j.kind)
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'retry', 'job', new.kind || ' ' || new.key, old.doc, new.doc, $5::text from old, new
)
select doc from new
union all
select callmend_conflict('the job is running') from old where old.state = 'running'
