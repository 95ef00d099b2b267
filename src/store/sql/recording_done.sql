-- write: ends the job of a call whose files are all made into recordings, and forgets what was shown of others (they moved to
-- another call).
-- $1 kind  $2 key  $3 owner  $4 wanted
with held as materialized (
	select callmend_job_done($1::text, $2::text, $3::text, $4::bigint) as ended
), gone as (
	delete from recordings r using held
	where r.call_id = callmend_uuid($2::text) and r.state in ('recording', 'processing')
)
select to_jsonb(ended) from held
