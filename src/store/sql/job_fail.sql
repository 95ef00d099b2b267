-- write: $1 kind, $2 key, $3 owner, $4 why, $5 attempts at most (1: dead at once). Gives a job back; what it is now, null when
-- its lease was lost.
select to_jsonb(callmend_job_failed($1, $2, $3, $4, $5::int))
