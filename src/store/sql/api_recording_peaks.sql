-- read: the waveform of a recording.
-- $1 org  $2 recording
select case when r.state = 'ready' then r.peaks else callmend_conflict('the recording is not ready: ' || r.state)::json end
from recordings r where r.org_id = $1::uuid and r.id = callmend_uuid($2::text) and r.state <> 'expired'
