-- read: what is known of a call whose recording is to be made.
-- $1 call
-- {"live", "made": {recording id: [names of WAV files]} (those that are not to be made again), "begun": when recording was told
--  to begin, null when something has come of it or the audio belongs to another call, "why": why it was told to have failed}
select json_build_object('live', c.live, 'made', (select coalesce(json_object_agg(r.id, r.sources), '{}')
		from recordings r where r.call_id = c.id and r.state in ('ready', 'expired')),
	'begun', (select callmend_time(min(e.at)) from call_events e
		where e.call_id = c.id and e.type = 'recording' and e.data->>'state' = 'started'
			and not exists (select from recordings r where r.call_id = c.id and r.state not in ('recording', 'processing'))
			and not exists (select from call_events l where l.call_id = c.id and l.type = 'audio.linked')),
	'why', (select e.data->>'why' from call_events e
		where e.call_id = c.id and e.type = 'recording' and e.data->>'state' = 'failed' order by e.seq desc limit 1))
from calls c where c.id = callmend_uuid($1)
