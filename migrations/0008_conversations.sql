-- Conversations and their messages as JSON (A2).

create function callmend_conversation(c conversations) returns json language sql stable as $$
	select json_build_object('id', c.id, 'org_id', c.org_id, 'source_id', c.source_id, 'project_id', c.project_id,
		'channel', c.channel, 'customer_number', c.customer_number,
		'started_at', callmend_time(c.started_at), 'last_at', callmend_time(c.last_at),
		'call_count', (select count(*) from calls k where k.conversation_id = c.id),
		'message_count', (select count(*) from messages m where m.conversation_id = c.id))
$$;
comment on function callmend_conversation(conversations) is 'A conversation as JSON';

create function callmend_message(m messages) returns json language sql stable as $$
	select json_build_object('call_id', m.call_id, 'seq', m.seq, 'role', m.role, 'speaker', m.speaker,
		'position', m.position, 'text', m.text, 'tool_calls', m.tool_calls, 'tool_call_id', m.tool_call_id,
		'at', callmend_time(m.at))
$$;
comment on function callmend_message(messages) is 'An entry of a conversation as JSON';

-- Pages go from the latest to the oldest, with the id for those of the same time.
drop index conversations_org;
create index conversations_org on conversations (org_id, last_at desc, id desc);
drop index messages_conversation;
create index messages_conversation on messages (conversation_id, seq, call_id);
