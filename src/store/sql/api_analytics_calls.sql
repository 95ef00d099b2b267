-- read: how calls went (B4), in all and per UTC day; every filter may be null.
-- $1 org  $2 from (time)  $3 to (time)  $4 status  $5 tool name (calls that used it)  $6 project id
-- {"from","to","total": figures,"days": [{"day": "2026-11-21", figures...}]}, figures:
-- {"calls","live","by_status": {status: n},"by_outcome","by_ended_class","by_sentiment","average_duration_ms","tool_calls",
--  "tool_errors","interventions","interruptions","cost"}
with chosen as (
	select c.*, (c.started_at at time zone 'UTC')::date as day from calls c
	where c.org_id = $1::uuid
		and ($2::timestamptz is null or c.started_at >= $2::timestamptz)
		and ($3::timestamptz is null or c.started_at < $3::timestamptz)
		and ($4::text is null or c.status = $4::text)
		and ($6::uuid is null or c.project_id = $6::uuid)
		and ($5::text is null or exists (select from tool_calls t where t.call_id = c.id and t.tool = $5::text))
), figures as (
	select day, jsonb_build_object('calls', count(*), 'live', count(*) filter (where live),
		'average_duration_ms', round(avg(duration_ms)), 'tool_calls', coalesce(sum(tool_call_count), 0),
		'tool_errors', coalesce(sum(tool_error_count), 0),
		'interventions', coalesce(sum(intervention_count), 0),
		'interruptions', coalesce(sum(interruption_count), 0), 'cost', sum(cost)) as doc
	from chosen group by grouping sets ((), (day))
), kinds as (
	select day, 'by_status' as name, status as value from chosen
	union all select day, 'by_outcome', outcome from chosen where outcome is not null
	union all select day, 'by_ended_class', ended_class from chosen where ended_class is not null
	union all select day, 'by_sentiment', user_sentiment from chosen where user_sentiment is not null
), counted as (
	select day, name, value, count(*) as n from kinds group by grouping sets ((name, value), (day, name, value))
), grouped as (
	select day, name, jsonb_object_agg(value, n) as doc from counted group by day, name
), shares as (
	select day, jsonb_object_agg(name, doc) as doc from grouped group by day
), complete as (
	select f.day, jsonb_build_object('by_status', '{}'::jsonb, 'by_outcome', '{}'::jsonb, 'by_ended_class', '{}'::jsonb,
		'by_sentiment', '{}'::jsonb) || coalesce(s.doc, '{}') || f.doc as doc
	from figures f left join shares s on s.day is not distinct from f.day
)
select json_build_object('from', callmend_time($2::timestamptz), 'to', callmend_time($3::timestamptz),
	'total', (select doc from complete where day is null),
	'days', (select coalesce(json_agg(jsonb_build_object('day', day) || doc order by day), '[]')
		from complete where day is not null))
