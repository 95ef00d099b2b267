-- write: a call, and its conversation, from session_summary (call/session.h).
-- $1 the summary  $2 the final report as it was told (data of call.report), or null
-- Most rows of a call that goes on change nothing in its conversation, which is not written then.
-- A call that nobody has answered has no start of its own, and is given the time of the first word of it.
-- The row never goes back (last_seq). A call whose session was forgotten and then heard of again (a late report) is told by a
-- new session that has counted fewer events: what it does not know stays as it was, and a call that had ended stays ended, as
-- it was told, when all that the new session can say is that nobody knows (class lost). But a
-- conversation by text goes on whenever somebody writes: it is live again, and what its end was is forgotten.
with given as (
	select s.*, s.customer->>'number' as number, coalesce(s.started_at, s.first_at, now()) as start,
		(select jsonb_build_object('success_evaluation', r->'success_evaluation', 'structured_data', r->'structured_data',
			'structured_outputs', r->'structured_outputs') from (select $2::jsonb as r) told where r is not null) as report
	from jsonb_to_record($1::jsonb) as s(id uuid, org_id uuid, source_id uuid, project_id uuid, conversation_id uuid,
		provider_call_id text, kind text, status text, live boolean, transcript_live boolean,
		started_at timestamptz, began_at timestamptz, first_at timestamptz, ended_at timestamptz, duration_ms bigint, ended_reason text,
		ended_class text, customer jsonb, assistant jsonb, phone_number text, sentiment jsonb,
		counts jsonb, outcome text, cost numeric, summary text, instruction_version uuid, flags jsonb,
		last_seq bigint)
), conversation as (
	insert into conversations as k (id, org_id, source_id, project_id, customer_number, started_at, last_at)
	select conversation_id, org_id, source_id, project_id, nullif(number, ''), start, coalesce(ended_at, start)
	from given where conversation_id is not null and not exists (
		select from conversations k where k.id = conversation_id
			and (k.source_id is not null or given.source_id is null) and (k.project_id is not null or given.project_id is null)
			and k.customer_number is not distinct from coalesce(nullif(number, ''), k.customer_number)
			and k.started_at <= start and k.last_at >= coalesce(ended_at, start))
	on conflict (id) do update set
		source_id = coalesce(k.source_id, excluded.source_id),
		project_id = coalesce(k.project_id, excluded.project_id),
		customer_number = coalesce(excluded.customer_number, k.customer_number),
		started_at = least(k.started_at, excluded.started_at),
		last_at = greatest(k.last_at, excluded.last_at)
)
insert into calls as c (id, org_id, source_id, project_id, conversation_id, provider_call_id, kind, status, live,
	transcript_live, started_at, began_at, ended_at, duration_ms, ended_reason, ended_class, customer,
	customer_number, assistant, phone_number, user_sentiment, ai_sentiment, call_sentiment, event_count,
	turn_count, message_count, tool_call_count, tool_error_count, interruption_count, hang_count,
	intervention_count, duplicate_count, outcome, cost, summary, instruction_version, flags, report, imported, last_seq)
select id, org_id, source_id, project_id, conversation_id, nullif(provider_call_id, ''), nullif(kind, ''),
	coalesce(nullif(status, ''), 'unknown'), coalesce(live, ended_at is null), coalesce(transcript_live, false),
	start, began_at, ended_at, duration_ms, nullif(ended_reason, ''), nullif(ended_class, ''), nullif(customer, 'null'),
	nullif(number, ''), nullif(assistant, 'null'), nullif(phone_number, ''), nullif(sentiment->>'user', ''),
	nullif(sentiment->>'ai', ''), nullif(sentiment->>'call', ''), coalesce((counts->>'events')::bigint, 0),
	coalesce((counts->>'turns')::bigint, 0), coalesce((counts->>'messages')::bigint, 0),
	coalesce((counts->>'tool_calls')::bigint, 0), coalesce((counts->>'tool_errors')::bigint, 0),
	coalesce((counts->>'interruptions')::bigint, 0), coalesce((counts->>'hangs')::bigint, 0),
	coalesce((counts->>'interventions')::bigint, 0), coalesce((counts->>'duplicates')::bigint, 0),
	nullif(outcome, ''), cost, nullif(summary, ''), instruction_version,
	coalesce(nullif(flags, 'null'), '[]'), report, coalesce(flags ? 'imported', false), last_seq
from given
on conflict (id) do update set
	source_id = coalesce(excluded.source_id, c.source_id),
	project_id = coalesce(excluded.project_id, c.project_id),
	conversation_id = coalesce(c.conversation_id, excluded.conversation_id),
	provider_call_id = coalesce(excluded.provider_call_id, c.provider_call_id),
	kind = coalesce(excluded.kind, c.kind),
	status = case when excluded.event_count < c.event_count
			and (excluded.status = 'unknown' or (c.ended_at is not null and excluded.live and excluded.kind is distinct from 'sms'))
		then c.status else excluded.status end,
	live = case when excluded.event_count < c.event_count and c.ended_at is not null and excluded.kind is distinct from 'sms'
		then false else excluded.live end,
	transcript_live = c.transcript_live or excluded.transcript_live,
	started_at = case when excluded.event_count < c.event_count
		then least(c.started_at, excluded.started_at) else excluded.started_at end,
	began_at = case when excluded.event_count < c.event_count
		then coalesce(c.began_at, excluded.began_at) else coalesce(excluded.began_at, c.began_at) end,
	ended_at = case when excluded.event_count < c.event_count and excluded.ended_class = 'lost' and c.ended_class <> 'lost' then c.ended_at
		when excluded.event_count < c.event_count and not (excluded.live and excluded.kind is not distinct from 'sms')
		then coalesce(excluded.ended_at, c.ended_at) else excluded.ended_at end,
	duration_ms = case when excluded.event_count < c.event_count and excluded.ended_class = 'lost' and c.ended_class <> 'lost' then c.duration_ms
		else coalesce(excluded.duration_ms, c.duration_ms) end,
	ended_reason = case when excluded.event_count < c.event_count and excluded.ended_class = 'lost' and c.ended_class <> 'lost' then c.ended_reason
		when excluded.event_count < c.event_count and not (excluded.live and excluded.kind is not distinct from 'sms')
		then coalesce(excluded.ended_reason, c.ended_reason) else excluded.ended_reason end,
	ended_class = case when excluded.event_count < c.event_count and excluded.ended_class = 'lost' and c.ended_class <> 'lost' then c.ended_class
		when excluded.event_count < c.event_count and not (excluded.live and excluded.kind is not distinct from 'sms')
		then coalesce(excluded.ended_class, c.ended_class) else excluded.ended_class end,
	customer = coalesce(c.customer, '{}') || coalesce(jsonb_strip_nulls(excluded.customer), '{}'),
	customer_number = coalesce(excluded.customer_number, c.customer_number),
	assistant = coalesce(c.assistant, '{}') || coalesce(jsonb_strip_nulls(excluded.assistant), '{}'),
	phone_number = coalesce(excluded.phone_number, c.phone_number),
	user_sentiment = case when excluded.event_count < c.event_count
		then coalesce(c.user_sentiment, excluded.user_sentiment)
		else coalesce(excluded.user_sentiment, c.user_sentiment) end,
	ai_sentiment = case when excluded.event_count < c.event_count
		then coalesce(c.ai_sentiment, excluded.ai_sentiment)
		else coalesce(excluded.ai_sentiment, c.ai_sentiment) end,
	call_sentiment = case when excluded.event_count < c.event_count
		then coalesce(c.call_sentiment, excluded.call_sentiment)
		else coalesce(excluded.call_sentiment, c.call_sentiment) end,
	event_count = greatest(c.event_count, excluded.event_count),
	turn_count = greatest(c.turn_count, excluded.turn_count),
	message_count = greatest(c.message_count, excluded.message_count),
	tool_call_count = greatest(c.tool_call_count, excluded.tool_call_count),
	tool_error_count = greatest(c.tool_error_count, excluded.tool_error_count),
	interruption_count = greatest(c.interruption_count, excluded.interruption_count),
	hang_count = greatest(c.hang_count, excluded.hang_count),
	intervention_count = greatest(c.intervention_count, excluded.intervention_count),
	duplicate_count = greatest(c.duplicate_count, excluded.duplicate_count),
	outcome = coalesce(excluded.outcome, c.outcome),
	cost = coalesce(excluded.cost, c.cost),
	summary = coalesce(excluded.summary, c.summary),
	instruction_version = coalesce(c.instruction_version, excluded.instruction_version),
	flags = case when excluded.event_count < c.event_count
		then (select coalesce(jsonb_agg(distinct f), '[]') from jsonb_array_elements(c.flags || excluded.flags) f)
		else excluded.flags end,
	report = coalesce(excluded.report, c.report),
	imported = c.imported or excluded.imported,
	last_seq = excluded.last_seq,
	updated_at = now()
where excluded.last_seq >= c.last_seq
