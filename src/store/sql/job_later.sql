-- write: gives a job back, to be looked at again: files are still being written, or lie elsewhere.
-- $1 kind  $2 key  $3 owner  $4 delay in ms
select to_jsonb(true) from (select callmend_job_later($1::text, $2::text, $3::text, $4::bigint)) later
