-- read: analyses for an export, oldest call first, after a given one.
-- $1 project id or name, null: all  $2 from or null  $3 to or null  $4 after: start, null: from the beginning
-- $5 after: id  $6 most  $7 organisation, null: any
select coalesce(json_agg(json_build_object('id', call_id, 'provider_call_id', provider_call_id, 'org_id', org_id,
	'project', project, 'project_id', project_id, 'instruction_version', instruction_version,
	'rules_version', rules_version, 'caller', caller, 'started_at', callmend_time(started_at),
	'duration_ms', duration_ms, 'outcome', outcome, 'outcome_by', outcome_by, 'ended_class', ended_class,
	'cause_class', cause_class, 'eligible', eligible, 'failure_point', failure_point,
	'fields_wanted', fields_wanted, 'fields_captured', fields_captured, 'tool_calls', tool_calls,
	'tool_failures', tool_failures, 'frustrated', frustrated, 'unanswered', unanswered,
	'analysed_at', callmend_time(analysed_at),
	'captured', (select coalesce(json_object_agg(v.field, v.value order by v.field), '{}') from captured_values v
		where v.call_id = page.call_id and v.state = 'captured'),
	'tags', (select coalesce(json_agg(t.tag order by t.tag), '[]') from call_tags t where t.call_id = page.call_id),
	'doc', doc) order by started_at, call_id), '[]')
from (
	select a.*, c.provider_call_id, p.name as project from call_analyses a
	left join calls c on c.id = a.call_id
	left join projects p on p.id = a.project_id
	where ($7::uuid is null or a.org_id = $7::uuid)
		and ($1::text is null or p.id::text = $1::text or p.name = $1::text)
		and ($2::timestamptz is null or a.started_at >= $2::timestamptz)
		and ($3::timestamptz is null or a.started_at < $3::timestamptz)
		and ($4::timestamptz is null or (a.started_at, a.call_id) > ($4::timestamptz, $5::uuid))
	order by a.started_at, a.call_id limit $6::int
) page
