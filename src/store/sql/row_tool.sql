-- write: a tool call, from either of its two events (B1). Feedback and correction are not touched. What a mapping rewrote is
-- noted with it, and counted for the mapping, once.
-- $1 org  $2 project  $3 call  $4 seq  $5 the event (tool.requested or tool.finished)
with given as (
	select e, e->'data' as d, e->>'type' = 'tool.finished' as finished, (e->>'at')::timestamptz as at,
		callmend_uuid(e->'data'->'rewritten'->>'mapping_id') as mapping,
		string_to_array(e->'data'->'rewritten'->>'argument', '.') as path, e->'data'->'rewritten'->'to' as became
	from (select $5::jsonb as e) x
), used as (
	update search_term_mappings m set times_used = m.times_used + 1,
		times_successful = m.times_successful + coalesce((d->>'success')::boolean, false)::int,
		confidence = callmend_mapping_confidence(m.times_successful + coalesce((d->>'success')::boolean, false)::int,
			m.times_used + 1),
		updated_at = now()
	from given
	where m.id = given.mapping and m.org_id = $1::uuid and finished
		and not exists (select from tool_calls k where k.id = (d->>'tool_id')::uuid and k.mapping_id is not null)
)
insert into tool_calls as t (id, org_id, project_id, call_id, tool_call_id, tool, arguments, run_by, requested_at,
	started_at, duration_ms, success, result, error, fallback, unknown, requested_seq, finished_seq, mapping_id)
select (d->>'tool_id')::uuid, $1::uuid, $2::uuid, $3::uuid, d->>'tool_call_id', coalesce(d->>'name', ''),
	nullif(d->'arguments', 'null'), coalesce(d->>'by', 'callmend'), at, (d->>'started_at')::timestamptz,
	(d->>'duration_ms')::bigint, (d->>'success')::boolean, nullif(d->'result', 'null'), nullif(d->>'error', ''),
	coalesce((d->>'fallback')::boolean, false), coalesce((d->>'unknown')::boolean, false), $4::bigint,
	case when finished then $4::bigint end, case when finished then mapping end
from given
on conflict (id) do update set
	project_id = coalesce(t.project_id, excluded.project_id),
	tool_call_id = coalesce(t.tool_call_id, excluded.tool_call_id),
	tool = case when t.tool = '' then excluded.tool else t.tool end,
	arguments = case when excluded.mapping_id is not null and t.mapping_id is null and jsonb_typeof(t.arguments) = 'object'
		then coalesce(jsonb_set(t.arguments, (select path from given), (select became from given), false), t.arguments)
		else coalesce(t.arguments, excluded.arguments) end,
	arguments_before = case when excluded.mapping_id is not null and t.mapping_id is null then t.arguments
		else t.arguments_before end,
	mapping_id = coalesce(t.mapping_id, excluded.mapping_id),
	run_by = excluded.run_by,
	requested_at = least(t.requested_at, excluded.requested_at),
	requested_seq = least(t.requested_seq, excluded.requested_seq),
	started_at = case when excluded.finished_seq >= coalesce(t.finished_seq, 0)
		then coalesce(excluded.started_at, t.started_at) else t.started_at end,
	duration_ms = case when excluded.finished_seq >= coalesce(t.finished_seq, 0)
		then excluded.duration_ms else t.duration_ms end,
	success = case when excluded.finished_seq >= coalesce(t.finished_seq, 0) then excluded.success else t.success end,
	result = case when excluded.finished_seq >= coalesce(t.finished_seq, 0) then excluded.result else t.result end,
	error = case when excluded.finished_seq >= coalesce(t.finished_seq, 0) then excluded.error else t.error end,
	fallback = case when excluded.finished_seq >= coalesce(t.finished_seq, 0) then excluded.fallback else t.fallback end,
	unknown = case when excluded.finished_seq >= coalesce(t.finished_seq, 0) then excluded.unknown else t.unknown end,
	finished_seq = greatest(t.finished_seq, excluded.finished_seq),
	updated_at = now()
