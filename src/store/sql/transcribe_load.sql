-- read: a recording whose words are to be found; none where nobody knows who speaks (a file of one channel).
-- $1 recording
-- {"file","started_at","source_id","provider_call_id","spoken": its call has words already}
select json_build_object('file', r.file, 'started_at', callmend_time(r.started_at), 'source_id', c.source_id,
	'provider_call_id', c.provider_call_id,
	'spoken', exists (select from call_events e where e.call_id = c.id and e.type = 'transcript.final')
		or exists (select from messages m where m.call_id = c.id))
from recordings r join calls c on c.id = r.call_id
where r.id = callmend_uuid($1) and r.imported and r.state = 'ready' and not c.live
	and exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached' and e.speaker is not null)
