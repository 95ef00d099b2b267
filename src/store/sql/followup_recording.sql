-- write: stores a recording that was fetched from the platform, while the job of the source is held (CM002: the lease was lost).
-- $1 source  $2 owner  $3 call  $4 recording (callmend_recording_put)  $5 waveform or null
with held as materialized (
	select h.key from callmend_job_held('followup', $1::text, $2::text) h
)
select to_jsonb(true) from held, lateral (select callmend_recording_put(callmend_uuid($3), $4::jsonb, $5::json)) put
