-- read: what is known of a call whose recording is to be made.
-- $1 call
-- {"live", "made": {recording id: [names of WAV files]}} (those that are not to be made again)
select json_build_object('live', c.live, 'made', (select coalesce(json_object_agg(r.id, r.sources), '{}')
	from recordings r where r.call_id = c.id and r.state in ('ready', 'expired')))
from calls c where c.id = callmend_uuid($1)
