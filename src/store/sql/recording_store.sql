-- write: stores a recording while the job is held (CM002: the lease was lost); the job goes on. One that was thought lost (its files
-- were elsewhere) is not any more.
-- $1 owner  $2 call  $3 recording (callmend_recording_put)  $4 waveform or null
with held as materialized (
	select h.key from callmend_job_held('recording', $2::text, $1::text) h
), found as (
	delete from recordings r using held
	where r.call_id = callmend_uuid(held.key) and r.state = 'failed' and r.sources = '[]' and $3::jsonb->>'state' = 'ready'
)
select to_jsonb(true) from held, lateral (select callmend_recording_put(callmend_uuid(held.key), $3::jsonb, $4::json)) put
