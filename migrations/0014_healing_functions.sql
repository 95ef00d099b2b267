-- What detection and suggestion read and store (src/healing).

-- A call that tells something: it counts for or against the instructions, or a broken tool decided it.
create function callmend_heal_considered(a call_analyses) returns boolean language sql immutable as $$
	select a.eligible or (a.cause_class = 'tool' and a.doc->>'ineligible_because' = 'tool')
$$;
comment on function callmend_heal_considered(call_analyses) is 'Whether a call says something about instructions or tools: a conversation that neither telephony nor the provider decided';

-- Calls of no version are those of one: "is not distinct from" could not use the index.
create function callmend_heal_version(version uuid) returns uuid language sql immutable as $$
	select coalesce(version, '00000000-0000-0000-0000-000000000000')
$$;
comment on function callmend_heal_version(uuid) is 'What calls of this version of instructions, or of none, are found by';

-- The considered calls of a version from the newest on, with what is counted of them (the bare version, too: without it the index
-- alone would not do).
create index call_analyses_considered on call_analyses (project_id,
		(coalesce(instruction_version, '00000000-0000-0000-0000-000000000000'::uuid)), started_at desc, call_id desc)
	include (instruction_version, eligible, outcome, caller, fields_wanted, fields_captured)
	where eligible or (cause_class = 'tool' and doc->>'ineligible_because' = 'tool');

create function callmend_heal_call(a call_analyses) returns json language sql stable as $$
	select json_build_object('id', a.call_id, 'at', callmend_time(a.started_at), 'caller', a.caller, 'ms', a.duration_ms,
		'eligible', a.eligible, 'frustrated', a.frustrated, 'outcome', a.outcome, 'cause', a.cause_class,
		'point', d.doc->'failure_point', 'fields', d.doc->'fields', 'unanswered', d.doc->'unanswered',
		'signals', d.doc->'signals', 'tool_failures', d.doc->'tool_failures', 'last', d.doc->'last_words',
		'tools', case when a.tool_calls > 0 then
			(select json_agg(distinct t.tool) from tool_calls t where t.call_id = a.call_id) end)
	-- A copy: the stored document is compressed, and every look into it would unpack it anew.
	from (select a.doc - 'tags' as doc offset 0) d
$$;
comment on function callmend_heal_call(call_analyses) is 'An analysis as detection reads it (src/healing/window.c)';

create function callmend_heal_issue(i issues) returns jsonb language sql stable as $$
	select jsonb_build_object('id', i.id, 'project_id', i.project_id, 'cause', i.cause, 'subject', i.subject, 'title', i.title,
		'instruction_version', i.instruction_version, 'evidence', i.evidence, 'pending', exists (select from suggestions s
			where s.issue_id = i.id and s.status = 'pending'))
$$;
comment on function callmend_heal_issue(issues) is 'An issue as detection and suggestion read it';

-- What was decided last about each cause, and how long ago.
create function callmend_heal_decided(project uuid) returns jsonb language sql stable as $$
	with decided as (
		select i.cause, i.subject, s.status, s.id::text as id, coalesce(s.applied_at, s.accepted_at, s.rejected_at, s.created_at) as at
		from suggestions s join issues i on i.id = s.issue_id
		-- Nobody has to decide about what an issue proposed that is gone.
		where s.project_id = project and (s.status <> 'pending' or i.status = 'open') and (s.status <> 'rejected' or s.learn)
		union all
		select i.cause, i.subject, 'dismissed', i.id::text, i.closed_at from issues i
		where i.project_id = project and i.status = 'dismissed'
	), latest as (
		select distinct on (cause, subject) * from decided order by cause, subject, (status = 'pending') desc, at desc
	)
	select coalesce(jsonb_agg(jsonb_build_object('cause', l.cause, 'subject', l.subject, 'status', l.status, 'id', l.id,
		'days', extract(epoch from now() - l.at) / 86400,
		'rejections', (select count(*) from decided d where d.cause = l.cause and d.subject = l.subject
			and d.status = 'rejected'))), '[]')
	from latest l
$$;
comment on function callmend_heal_decided(uuid) is 'The latest decision about each cause of a project: a cause rests for a while after one';

create function callmend_heal_period(project uuid, version uuid, without_from timestamptz, without_to timestamptz,
	newest_first boolean) returns jsonb language sql stable as $$
	select jsonb_build_object('calls', coalesce(sum(c.calls), 0), 'squares', coalesce(sum(c.calls * c.calls), 0),
		'outcomes', coalesce(sum(c.outcomes), 0), 'successes', coalesce(sum(c.successes), 0),
		'with_fields', coalesce(sum(c.with_fields), 0), 'missing', coalesce(sum(c.missing), 0), 'callers', count(*))
	from (
		select count(*) as calls, count(*) filter (where a.outcome <> 'unknown') as outcomes,
			count(*) filter (where a.outcome = 'success') as successes,
			count(*) filter (where a.fields_wanted > 0) as with_fields,
			sum(case when a.fields_wanted > 0
				then (a.fields_wanted - a.fields_captured)::numeric / a.fields_wanted else 0 end) as missing
		from (
			(select x.caller, x.outcome, x.fields_wanted, x.fields_captured from call_analyses x
			where newest_first and x.project_id = project
				and callmend_heal_version(x.instruction_version) = callmend_heal_version(version) and x.eligible
				and (without_from is null or x.started_at < without_from or x.started_at > without_to)
			order by x.started_at desc, x.call_id desc limit 5000)
			union all
			(select x.caller, x.outcome, x.fields_wanted, x.fields_captured from call_analyses x
			where not newest_first and x.project_id = project
				and callmend_heal_version(x.instruction_version) = callmend_heal_version(version) and x.eligible
				and (without_from is null or x.started_at < without_from or x.started_at > without_to)
			order by x.started_at, x.call_id limit 5000)
		) a
		group by a.caller
	) c
$$;
comment on function callmend_heal_period(uuid, uuid, timestamptz, timestamptz, boolean) is 'Eligible calls of a version (the newest or the oldest 5000) summed up caller by caller, without those of a stretch of time';

create function callmend_heal_impacts(project uuid) returns jsonb language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('suggestion', s.id, 'type', s.type, 'cause', i.cause, 'subject', i.subject,
		'expected', s.expected_impact, 'actual', s.actual_impact,
		'pattern', (select string_agg(c.section || E'\n' || c.suggested, E'\n\n' order by c.position)
			from suggestion_changes c where c.suggestion_id = s.id),
		'before', callmend_heal_period(project, s.base_version, (t.o->>'from')::timestamptz, (t.o->>'to')::timestamptz,
			true),
		'after', callmend_heal_period(project, s.result_version, null, null, false))), '[]')
	from suggestions s left join issues i on i.id = s.issue_id
	cross join lateral (select case when jsonb_typeof(i.evidence->'trigger') = 'object'
		and (i.evidence->'trigger'->>'calls')::numeric > 0 then i.evidence->'trigger' end as o) t
	where s.project_id = project and s.status in ('accepted', 'applied') and s.result_version is not null
		and s.accepted_at > now() - interval '120 days'
$$;
comment on function callmend_heal_impacts(uuid) is 'Accepted suggestions of a project with the calls before and after them; the calls that triggered them are left out';

create function callmend_heal_load(project uuid, days int, most int) returns json language sql stable as $$
	select json_build_object(
		'project', json_build_object('id', p.id, 'org_id', p.org_id, 'name', p.name, 'language', p.language,
			'fields', p.fields, 'thresholds', p.thresholds, 'minutes_per_success', p.minutes_per_success,
			'tools', (select coalesce(json_agg(t.name order by t.name), '[]') from tool_definitions t
				where t.project_id = p.id and t.archived_at is null)),
		'version', case when v.id is not null then json_build_object('id', v.id, 'number', v.number,
			'sections', v.sections, 'text', v.text) end,
		'seen', s.calls, 'seen_outcomes', s.outcomes,
		'calls', (select coalesce(json_agg(callmend_heal_call(a) order by a.started_at desc, a.call_id desc), '[]')
			from (select x.* from call_analyses x
				where x.project_id = p.id and callmend_heal_version(x.instruction_version) = callmend_heal_version(v.id)
					and callmend_heal_considered(x)
					and x.started_at > now() - coalesce((p.thresholds->>'window_days')::numeric, days) * interval '1 day'
				order by x.started_at desc, x.call_id desc
				limit coalesce((p.thresholds->>'window_calls')::numeric, most)) a),
		'issues', (select coalesce(jsonb_agg(callmend_heal_issue(i) order by i.opened_at, i.id), '[]') from issues i
			where i.project_id = p.id and i.status = 'open'),
		'decided', callmend_heal_decided(p.id),
		'previous', (select d.doc from detections d where d.project_id = p.id),
		'impacts', callmend_heal_impacts(p.id))
	from projects p
	left join instructions i on i.project_id = p.id
	left join instruction_versions v on v.id = i.current_version
	cross join lateral (select count(*) as calls, count(*) filter (where a.eligible and a.outcome <> 'unknown') as outcomes
		from call_analyses a where a.project_id = p.id
			and callmend_heal_version(a.instruction_version) = callmend_heal_version(v.id)
			and callmend_heal_considered(a)) s
	where p.id = project and p.archived_at is null
$$;
comment on function callmend_heal_load(uuid, int, int) is 'All that detection in a project reads; null: no such project';

-- --- thresholds ---

-- The same limits as src/healing/thresholds.h; a test compares them.
create function callmend_thresholds_wrong(t jsonb) returns text language sql immutable as $$
	with limits as (
		select key as name, (value->>0)::numeric as least, (value->>1)::numeric as most from jsonb_each('{
			"success_rate_min": [0, 100], "missing_rate_max": [0, 100], "tool_failure_max": [0, 100],
			"failure_point_max": [0, 100], "frustration_max": [0, 100], "unanswered_max": [0, 100],
			"min_calls": [5, 10000], "min_callers": [2, 1000], "window_days": [1, 365], "window_calls": [30, 2000],
			"alpha_percent": [0.1, 20], "caller_icc": [0, 1], "cooldown_days": [0, 365], "practices": [0, 1]}'::jsonb)
	), given as (
		select g.key, g.value, l.* from jsonb_each(t) g left join limits l on l.name = g.key order by g.key
	)
	select case when name is null then key || ': no such threshold'
		when jsonb_typeof(value) <> 'number' then key || ': must be a number'
		else format('%s: must be %s to %s', key, least, most) end
	from given
	where name is null or jsonb_typeof(value) <> 'number'
		or case when jsonb_typeof(value) = 'number' then not value::text::numeric between least and most end
	limit 1
$$;
comment on function callmend_thresholds_wrong(jsonb) is 'What is wrong with thresholds of a project; null: nothing';

create function callmend_thresholds_checked() returns trigger language plpgsql as $$
declare
	wrong text := callmend_thresholds_wrong(new.thresholds);
begin
	if wrong is not null then
		raise exception 'thresholds.%', wrong;
	end if;
	return new;
end
$$;
comment on function callmend_thresholds_checked() is 'Refuses thresholds that are none, whoever sets them';
create trigger projects_thresholds before insert or update of thresholds on projects
	for each row execute function callmend_thresholds_checked();

-- --- storing ---

create function callmend_heal_open(org uuid, project uuid, given jsonb) returns void language plpgsql as $$
declare
	made issues;
begin
	insert into issues (org_id, project_id, cause, subject, instruction_version, title, evidence)
		values (org, project, given->>'cause', given->>'subject', (given->>'instruction_version')::uuid, given->>'title',
			given->'evidence')
		on conflict do nothing returning * into made;
	if not found then
		return;
	end if;
	perform callmend_activity(org, project, 'issue.opened', 'analyst', 'issue', made.id::text, made.title,
		jsonb_build_object('cause', made.cause, 'subject', made.subject));
	perform callmend_job('suggest', 'issue:' || made.id, org, null, 0);
	if made.cause = 'tool_failure' then
		perform callmend_notify(org, project, 'tool_failure', made.title,
			format('In %s of %s calls that used %s it failed. The tool has to be put right; what the assistant does '
				'meanwhile is proposed separately.', made.evidence->>'events', made.evidence->>'eligible', made.subject),
			'high', '/api/v1/issues/' || made.id,
			jsonb_build_object('projectId', project, 'issueId', made.id, 'tool', made.subject));
	end if;
end
$$;
comment on function callmend_heal_open(uuid, uuid, jsonb) is 'Opens an issue, unless there is an open one of its cause, and asks for a suggestion';

create function callmend_heal_close(org uuid, project uuid, given jsonb) returns void language plpgsql as $$
declare
	closed issues;
begin
	update issues set status = 'resolved', closed_at = now(), updated_at = now(), closed_because = given->>'because'
		where id = (given->>'id')::uuid and status = 'open' returning * into closed;
	if found then
		perform callmend_activity(org, project, 'issue.closed', 'analyst', 'issue', closed.id::text, closed.title,
			jsonb_build_object('because', closed.closed_because));
	end if;
end
$$;
comment on function callmend_heal_close(uuid, uuid, jsonb) is 'Closes an issue that is gone';

create function callmend_heal_learn(org uuid, project uuid, which uuid, given jsonb) returns void language sql volatile as $$
	insert into feedback_patterns as f (org_id, project_id, type, cause, subject, pattern, examples, effectiveness)
	values (org, project, given->>'type', given->>'cause', given->>'subject', left(given->>'pattern', 400) || ' ' || md5(given->>'pattern'),
		jsonb_build_array(jsonb_build_object('suggestion', which)), (given->>'effectiveness')::numeric)
	on conflict (project_id, type, cause, subject, pattern) do update set
		effectiveness = excluded.effectiveness, last_seen = now(),
		occurrences = f.occurrences + case when f.examples @> excluded.examples then 0 else 1 end,
		examples = case when f.examples @> excluded.examples then f.examples else f.examples || excluded.examples end
$$;
comment on function callmend_heal_learn(uuid, uuid, uuid, jsonb) is 'What came of a suggestion, for the next of its cause (C7)';

create function callmend_heal_impact(org uuid, project uuid, given jsonb) returns void language plpgsql as $$
declare
	which uuid := (given->>'suggestion')::uuid;
	old jsonb;
begin
	select s.actual_impact into old from suggestions s where s.id = which for update;
	if not found or old is not distinct from given->'impact' then
		return;
	end if;
	update suggestions set actual_impact = given->'impact' where id = which;
	if old->>'state' is not distinct from given->'impact'->>'state' then
		return;
	end if;
	-- What was learned from an earlier state does not hold any more.
	delete from feedback_patterns f where f.project_id = project and f.type in ('worked', 'did_not_work')
		and f.examples = jsonb_build_array(jsonb_build_object('suggestion', which));
	if jsonb_typeof(given->'pattern') = 'object' then
		perform callmend_heal_learn(org, project, which, given->'pattern');
	end if;
	perform callmend_activity(org, project, 'impact.measured', 'analyst', 'suggestion', which::text,
		'Impact: ' || (given->'impact'->>'state'), given->'impact');
end
$$;
comment on function callmend_heal_impact(uuid, uuid, jsonb) is 'Renews the measured impact of a suggestion; learns from it when it is decided';

create function callmend_heal_detected(who text, which text, seen bigint, result jsonb) returns jsonb language plpgsql as $$
declare
	project uuid := callmend_uuid(which);
	org uuid := (result->>'org')::uuid;
begin
	perform callmend_job_done('detect', which, who, seen);
	perform callmend_heal_close(org, project, c) from jsonb_array_elements(result->'close') c;
	update issues i set evidence = r->'evidence', title = r->>'title', updated_at = now()
		from jsonb_array_elements(result->'renew') r where i.id = (r->>'id')::uuid and i.status = 'open';
	perform callmend_heal_open(org, project, o) from jsonb_array_elements(result->'open') o;
	perform callmend_job('suggest', 'issue:' || (s#>>'{}'), org, null, 0) from jsonb_array_elements(result->'suggest') s;
	perform callmend_heal_impact(org, project, i) from jsonb_array_elements(result->'impacts') i;
	insert into detections as d (project_id, org_id, checked_at, calls, doc)
		values (project, org, now(), (result->>'calls')::bigint, result->'detection')
		on conflict (project_id) do update set checked_at = now(), calls = excluded.calls, doc = excluded.doc;
	return jsonb_build_object('opened', jsonb_array_length(result->'open'), 'closed', jsonb_array_length(result->'close'));
end
$$;
comment on function callmend_heal_detected(text, text, bigint, jsonb) is 'Stores the result of a check in the transaction that ends its job';

-- --- suggestions ---

create function callmend_heal_bundle(project uuid, issue uuid, days int, most int) returns json language sql stable as $$
	select json_build_object('window', callmend_heal_load(project, days, most),
		'issue', (select callmend_heal_issue(i) from issues i where i.id = issue),
		'rejected', (select coalesce(json_agg(json_build_object('section', c.section, 'current', c.current,
				'suggested', c.suggested)), '[]')
			from suggestions s join suggestion_changes c on c.suggestion_id = s.id
			where s.project_id = project and (s.status = 'pending' or (s.status = 'rejected' and s.learn))),
		'patterns', (select coalesce(json_agg(json_build_object('type', f.type, 'cause', f.cause, 'subject', f.subject,
				'pattern', f.pattern, 'effectiveness', f.effectiveness, 'occurrences', f.occurrences)
				order by f.last_seen desc), '[]')
			from (select * from feedback_patterns x where x.project_id = project order by x.last_seen desc limit 200) f))
$$;
comment on function callmend_heal_bundle(uuid, uuid, int, int) is 'All that a suggestion is made of';

create function callmend_heal_project_of(which text) returns uuid language sql stable as $$
	select case when which like 'project:%' then callmend_uuid(substr(which, 9))
		when which like 'issue:%' then (select i.project_id from issues i where i.id = callmend_uuid(substr(which, 7))
			and i.status = 'open') end
$$;
comment on function callmend_heal_project_of(text) is 'The project a suggest job is about: key project:<id> or issue:<id> (open)';

create function callmend_heal_suggested(who text, which text, seen bigint, result jsonb) returns jsonb language plpgsql as $$
declare
	project uuid := (result->>'project')::uuid;
	org uuid := (result->>'org')::uuid;
	given jsonb := result->'suggestion';
	made suggestions;
begin
	-- First the project, as whoever dismisses the issue.
	perform from projects p where p.id = project for no key update;
	perform callmend_job_done('suggest', which, who, seen);
	if jsonb_typeof(given) is distinct from 'object' then
		perform callmend_activity(org, project, 'suggestion.none', 'analyst', 'project', project::text, result->>'why',
			jsonb_build_object('key', which));
		return jsonb_build_object('suggestion', null);
	end if;
	perform from issues i where i.id = (given->>'issue')::uuid and i.status = 'open' for update;
	if not found and given->>'issue' is not null then
		return jsonb_build_object('suggestion', null);
	end if;
	insert into suggestions (org_id, project_id, issue_id, type, priority, title, base_version, current_instruction,
			current_metrics, expected_impact, quotes, generated_by, model_usage)
		values (org, project, (given->>'issue')::uuid, given->>'type', given->>'priority', given->>'title',
			(given->>'base_version')::uuid, given->>'current_instruction', given->'current_metrics', given->'expected_impact',
			given->'quotes', given->>'generated_by', nullif(given->'model_usage', 'null'))
		on conflict do nothing returning * into made;
	if not found then
		return jsonb_build_object('suggestion', null);
	end if;
	insert into suggestion_changes (suggestion_id, org_id, position, section, current, suggested, reason)
		select made.id, org, n - 1, c->>'section', c->>'current', c->>'suggested', c->>'reason'
		from jsonb_array_elements(given->'changes') with ordinality as x(c, n);
	perform callmend_activity(org, project, 'suggestion.created',
		case when made.generated_by = 'rules' then 'analyst' else 'model:' || made.generated_by end, 'suggestion', made.id::text,
		made.title, jsonb_build_object('issueId', made.issue_id, 'type', made.type, 'priority', made.priority));
	perform callmend_notify(org, project, 'instruction_suggestion', 'Suggestion: ' || made.title, given->>'message',
		made.priority, format('/api/projects/%s/suggestions/%s', project, made.id),
		jsonb_build_object('projectId', project, 'suggestionId', made.id, 'issueId', made.issue_id,
			'priority', made.priority, 'expectedImpact', made.expected_impact));
	return jsonb_build_object('suggestion', made.id);
end
$$;
comment on function callmend_heal_suggested(text, text, bigint, jsonb) is 'Stores a suggestion with its changes, tells people, and ends its job, all at once; without a suggestion it records why there is none; of an issue that is not open any more nothing is stored';
