-- write: $1 kinds (text[]), $2 owner, $3 most, $4 lease in ms. The jobs taken, oldest first.
select coalesce(jsonb_agg(jsonb_build_object('kind', j.kind, 'key', j.key, 'org_id', j.org_id,
	'payload', j.payload, 'wanted', j.wanted, 'attempts', j.attempts) order by j.run_at, j.key), '[]')
from callmend_job_claim($1::text[], $2, $3::int, $4::bigint) j
