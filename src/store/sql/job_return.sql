-- write: $1 kind, $2 key, $3 owner. Gives a job back untouched: its analyst stops. How many (0: it was not held any more).
with back as (
	update jobs set state = 'queued', owner = null, lease_until = null, attempts = greatest(attempts - 1, 0), updated_at = now(),
		payload = callmend_job_merged(kind, payload, next), next = null
	where kind = $1 and key = $2 and owner = $3 and state = 'running'
	returning pg_notify('callmend_job', kind)
)
select to_jsonb(count(*)) from back
