-- read: a conversation with its calls (the latest 200, in order) and a page of its messages, in order over all calls.
-- $1 org  $2 id  $3 cursor (of the messages)  $4 limit (of the messages, 1 to 500, default 50)
-- conversation with "calls": [call], "messages": [message], "next_cursor": text or null
with conversation as (
	select c.id, callmend_conversation(c)::jsonb as doc from conversations c
	where c.org_id = $1::uuid and c.id = callmend_uuid($2::text)
), page as (
	select m.seq, m.call_id, callmend_message(m) as doc from messages m, callmend_uncursor($3::text, 2) as k
	where m.conversation_id = (select id from conversation)
		and (k is null or (m.seq, m.call_id) > (k[1]::bigint, k[2]::uuid))
	order by m.seq, m.call_id
	limit callmend_limit($4::text, 500) + 1
), shown as (
	select * from page order by seq, call_id limit callmend_limit($4::text, 500)
), latest as (
	select c.started_at, c.id, callmend_call(c) as doc from calls c
	where c.conversation_id = (select id from conversation)
	order by c.started_at desc, c.id desc limit 200
)
select conversation.doc || jsonb_build_object(
	'calls', (select coalesce(json_agg(doc order by started_at, id), '[]') from latest),
	'messages', (select coalesce(json_agg(doc order by seq, call_id), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($4::text, 500) then
		(select callmend_cursor(seq::text, call_id::text) from shown order by seq desc, call_id desc limit 1) end)
from conversation
