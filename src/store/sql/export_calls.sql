-- read: calls for an export, oldest first, after a given one.
-- $1 project id or name, null: all  $2 from or null  $3 to or null  $4 after: start, null: from the beginning
-- $5 after: id  $6 most  $7 organisation, null: any
select coalesce(json_agg(json_build_object('id', id, 'provider_call_id', provider_call_id, 'org_id', org_id,
	'source', source, 'project', project, 'project_id', project_id, 'conversation_id', conversation_id,
	'kind', kind, 'status', status, 'started_at', callmend_time(started_at), 'ended_at', callmend_time(ended_at),
	'duration_ms', duration_ms, 'ended_reason', ended_reason, 'ended_class', ended_class,
	'customer_number', customer_number, 'customer_name', customer->>'name', 'assistant_name', assistant->>'name',
	'phone_number', phone_number, 'user_sentiment', user_sentiment, 'ai_sentiment', ai_sentiment,
	'turns', turn_count, 'messages', message_count, 'tool_calls', tool_call_count,
	'tool_errors', tool_error_count, 'interruptions', interruption_count, 'interventions', intervention_count,
	'cost', cost, 'outcome', outcome, 'summary', summary, 'instruction_version', instruction_version,
	'imported', imported, 'flags', flags, 'report', report) order by started_at, id), '[]')
from (
	select c.*, s.name as source, p.name as project from calls c
	left join sources s on s.id = c.source_id
	left join projects p on p.id = c.project_id
	where ($7::uuid is null or c.org_id = $7::uuid)
		and ($1::text is null or p.id::text = $1::text or p.name = $1::text)
		and ($2::timestamptz is null or c.started_at >= $2::timestamptz)
		and ($3::timestamptz is null or c.started_at < $3::timestamptz)
		and ($4::timestamptz is null or (c.started_at, c.id) > ($4::timestamptz, $5::uuid))
	order by c.started_at, c.id limit $6::int
) page
