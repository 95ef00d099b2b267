-- write: what became of an attempt, and the end of its job.
-- $1 source id  $2 owner  $3 wanted  $4 seen, variable, nothing or failed  $5 version or null  $6 why or null  $7 attempts at most (1: dead at once)
-- what the job is now; CM002 when the lease was lost
select to_jsonb(callmend_apply_store(callmend_uuid($1::text), $2::text, $3::bigint, $4::text, $5::uuid, $6::text, $7::int))
