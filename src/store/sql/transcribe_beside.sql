-- write: the words of a recording that was fetched from the platform, while its job is held (CM002: the lease was lost).
-- $1 recording  $2 owner  $3 [{role, speaker, text, at}]  $4 how many voices their speakers come from, null: not from voices
with held as materialized (
	select h.key from callmend_job_held('transcribe', $1::text, $2::text) h
)
select to_jsonb(true) from held, lateral (select callmend_recording_words(callmend_uuid(held.key), $3::jsonb, $4::integer)) put
