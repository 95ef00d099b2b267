-- write: a committed entry of a conversation.
-- $1 org  $2 conversation  $3 call  $4 seq  $5 the event
insert into messages (org_id, conversation_id, call_id, seq, role, speaker, position, text, tool_calls, tool_call_id, at)
select $1::uuid, $2::uuid, $3::uuid, $4::bigint, coalesce(e->'data'->>'role', ''), nullif(e->>'speaker', ''),
	(e->'data'->>'index')::int, e->>'text', nullif(e->'data'->'tool_calls', 'null'),
	e->'data'->>'tool_call_id', (e->>'at')::timestamptz
from (select $5::jsonb as e) given
on conflict do nothing
