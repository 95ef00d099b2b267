-- write: the recording of an imported call.
-- $1 call  $2 recording (callmend_recording_put)  $3 waveform
select callmend_recording_put($1::uuid, $2::jsonb, $3::json)
