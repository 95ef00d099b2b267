-- write: $1 kind, $2 key, $3 owner, $4 wanted. Ends a job that has nothing to store.
select to_jsonb(callmend_job_done($1, $2, $3, $4::bigint))
