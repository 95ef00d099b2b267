-- read: a recording whose words are to be found; none where nobody knows who speaks (a leg of everybody mixed).
-- $1 recording
-- {"file","started_at","source_id","provider_call_id","call": its id when it was followed live, else null; "spoken": its call has
--  words already}
select json_build_object('file', r.file, 'started_at', callmend_time(r.started_at), 'source_id', c.source_id,
	'provider_call_id', c.provider_call_id, 'call', case when not r.imported then c.id end, 'spoken', callmend_spoken(c.id))
from recordings r join calls c on c.id = r.call_id
where r.id = callmend_uuid($1) and r.state = 'ready' and not c.live
	and exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached' and e.speaker is not null)
	and not exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached' and e.speaker is null)
