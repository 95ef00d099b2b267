-- read: the turns of a call, each in its latest revision; when its events were dropped, the messages that are kept.
-- $1 org  $2 call id or the provider's
-- {"call_id", "from": "turns" or "messages", "turns": [{"turn","revision","speaker","text","started_at","ended_at","at","offset_ms",
--  "seq"}]}; from messages: turn, revision, started_at, ended_at and offset_ms are null
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
), turns as (
	select distinct on (e.data->>'turn', e.speaker) e.* from call_events e
	where e.call_id = (select id from call) and e.type = 'turn'
	order by e.data->>'turn', e.speaker, e.seq desc
), said as (
	select m.* from messages m
	where m.call_id = (select id from call) and m.role in ('user', 'assistant', 'unknown') and coalesce(m.text, '') <> ''
		and not exists (select from turns)
)
select json_build_object('call_id', call.id,
	'from', case when exists (select from turns) or not exists (select from said) then 'turns' else 'messages' end,
	'turns', coalesce(
		(select json_agg(json_build_object('turn', t.data->'turn', 'revision', t.data->'revision',
			'speaker', coalesce(t.speaker, ''), 'text', coalesce(t.text, ''),
			'started_at', t.data->'started_at', 'ended_at', t.data->'ended_at',
			'at', callmend_time(t.at), 'offset_ms', t.offset_ms, 'seq', t.seq)
			order by case when jsonb_typeof(t.data->'turn') = 'number' then (t.data->>'turn')::numeric end, t.seq)
			from turns t),
		(select json_agg(json_build_object('turn', null, 'revision', null,
			'speaker', coalesce(m.speaker, case m.role when 'user' then 'user' when 'assistant' then 'ai' else '' end), 'text', m.text,
			'started_at', null, 'ended_at', null, 'at', callmend_time(m.at), 'offset_ms', null,
			'seq', m.seq) order by m.seq)
			from said m),
		'[]'))
from call where call.id is not null
