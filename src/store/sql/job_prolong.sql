-- write: $1 kind, $2 key, $3 owner, $4 lease in ms. Holds a job for longer; CM002 when the lease was lost.
with held as (
	select h.kind, h.key from callmend_job_held($1, $2, $3) h
), held_on as (
	update jobs j set lease_until = now() + $4::bigint * interval '1 millisecond', updated_at = now()
	from held where j.kind = held.kind and j.key = held.key
)
select to_jsonb(count(*)) from held
