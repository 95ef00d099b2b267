-- read: a recording whose words are to be found; none where nobody knows who speaks (a leg of everybody mixed), unless it was
-- fetched from the platform.
-- $1 recording
-- {"file","started_at","source_id","provider_call_id","call": its id when it was followed live, else null; "aside": it was fetched
--  from the platform, "mixed": with all voices in one; "on_demand": it begins somewhere in the call, "later": when it began
--  most of another was over, "direction": inbound, outbound, null: nobody knows; "rate_hz": of what it was made of; "spoken": its call has words
--  already}
select json_build_object('file', r.file, 'started_at', callmend_time(r.started_at), 'source_id', c.source_id,
	'provider_call_id', c.provider_call_id, 'call', case when not r.imported and r.platform_id is null then c.id end,
	'aside', r.platform_id is not null, 'mixed', r.mixed, 'on_demand', r.on_demand,
	'later', exists (select from recordings e where e.call_id = r.call_id and e.platform_id is not null and e.id <> r.id
		and e.started_at + coalesce(e.duration_ms, 0) / 2 * interval '1 millisecond' < r.started_at),
	'direction', case when c.kind like 'inbound%' then 'inbound' when c.kind like 'outbound%' then 'outbound' end, 'rate_hz', r.rate_hz,
	'spoken', case when r.platform_id is null then callmend_spoken(c.id)
		else r.words is not null or callmend_call_spoken(c.id) or callmend_platform_spoken(c.id) end)
from recordings r join calls c on c.id = r.call_id
where r.id = callmend_uuid($1) and r.state = 'ready' and not c.live
	and (r.platform_id is not null or (
		exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached' and e.speaker is not null)
		and not exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached' and e.speaker is null)))
