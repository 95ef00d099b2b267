-- read: how tools did (B1, B4), in all and per tool; every filter may be null. Rates are of finished tool calls, null when there are none.
-- $1 org  $2 from (time)  $3 to (time)  $4 status of the call  $5 tool name  $6 project id
-- {"from","to","total": figures,"tools": [{"tool", figures...}]}, figures:
-- {"calls","finished","succeeded","success_rate","failed","fallback","unknown","p50_ms","p95_ms","errors": {text: n} (the 10 most
--  frequent),"feedback": {"helpful": n,"not_helpful": n},"corrected"}
with chosen as (
	select t.* from tool_calls t
	where t.org_id = $1::uuid
		and ($2::timestamptz is null or t.requested_at >= $2::timestamptz)
		and ($3::timestamptz is null or t.requested_at < $3::timestamptz)
		and ($4::text is null or exists (select from calls c where c.id = t.call_id and c.status = $4::text))
		and ($5::text is null or t.tool = $5::text)
		and ($6::uuid is null or t.project_id = $6::uuid)
), figures as (
	select grouping(tool) = 1 as total, tool, jsonb_build_object('calls', count(*),
		'finished', count(success), 'succeeded', count(*) filter (where success),
		'success_rate', round(avg(success::int), 4), 'failed', count(*) filter (where not success),
		'fallback', count(*) filter (where fallback), 'unknown', count(*) filter (where unknown),
		'p50_ms', round(percentile_cont(0.5) within group (order by duration_ms)),
		'p95_ms', round(percentile_cont(0.95) within group (order by duration_ms)),
		'feedback', jsonb_build_object('helpful', count(*) filter (where user_feedback = 'helpful'),
			'not_helpful', count(*) filter (where user_feedback = 'not_helpful')),
		'corrected', count(correction)) as doc
	from chosen group by grouping sets ((), (tool))
), failures as (
	select grouping(tool) = 1 as total, tool, left(error, 200) as error, count(*) as n
	from chosen where error is not null
	group by grouping sets ((left(error, 200)), (tool, left(error, 200)))
), ranked as (
	select *, row_number() over (partition by total, tool order by n desc, error) as rank from failures
), errors as (
	select total, tool, jsonb_object_agg(error, n) as doc from ranked where rank <= 10 group by total, tool
), complete as (
	select f.total, f.tool, f.doc || jsonb_build_object('errors', coalesce(e.doc, '{}')) as doc
	from figures f left join errors e on e.total = f.total and e.tool is not distinct from f.tool
)
select json_build_object('from', callmend_time($2::timestamptz), 'to', callmend_time($3::timestamptz),
	'total', (select doc from complete where total),
	'tools', (select coalesce(json_agg(jsonb_build_object('tool', tool) || doc order by tool), '[]')
		from complete where not total))
