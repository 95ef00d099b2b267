-- write: stores a recording while the job is held (CM002: the lease was lost); the job goes on.
-- $1 owner  $2 call  $3 recording (callmend_recording_put)  $4 waveform or null
with held as materialized (
	select h.key from callmend_job_held('recording', $2::text, $1::text) h
)
select to_jsonb(true) from held, lateral (select callmend_recording_put(callmend_uuid(held.key), $3::jsonb, $4::json)) put
