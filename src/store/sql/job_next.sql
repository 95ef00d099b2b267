-- read: $1 kinds (text[]). Milliseconds until the next job of these kinds is due or may be taken over; no row: there is none.
select to_jsonb(greatest(0, due)) from (select ceil(extract(epoch from least(
	(select min(j.run_at) from jobs j where j.kind = any ($1::text[]) and j.state = 'queued'
		and (j.kind <> 'deliver' or not callmend_job_waits(j.kind, j.key, (select callmend_endpoints_busy())))),
	(select min(j.lease_until) from jobs j where j.kind = any ($1::text[]) and j.state = 'running')) - now()) * 1000)::bigint
	as due) x
where due is not null
