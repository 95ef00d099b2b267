-- What analysts do with finished calls: claim and load a batch, store its results, ask for it again.

-- Of a call's many events an analysis needs these few.
create index call_events_understood on call_events (call_id, seq) where type in ('turn', 'signal');
-- Which analyses were made by other rules than today's.
create index call_analyses_rules on call_analyses (project_id, rules_version);

create function callmend_rules_searches(project uuid) returns jsonb language sql stable as $$
	select coalesce(jsonb_object_agg(t.name, t.search_argument), '{}') from tool_definitions t
	where t.project_id = project and t.archived_at is null and t.search_argument <> ''
$$;
comment on function callmend_rules_searches(uuid) is 'The search tools of a project: {tool: argument}';

create function callmend_rules_hash(p projects) returns text language sql stable as $$
	select left(encode(sha256(convert_to(concat_ws(E'\n', p.language, p.fields::text, p.success_rule::text,
		p.tags::text, callmend_rules_searches(p.id)::text), 'UTF8')), 'hex'), 16)
$$;
comment on function callmend_rules_hash(projects) is 'What of a project decides how its calls are understood; the same as understand_version_rules()';

-- --- loading ---

create function callmend_rules_project(p projects) returns json language sql stable as $$
	select json_build_object('project', json_build_object('id', p.id, 'org_id', p.org_id, 'language', p.language,
			'fields', p.fields, 'success_rule', p.success_rule, 'tags', p.tags,
			'searches', callmend_rules_searches(p.id)),
		'versions', (select coalesce(json_agg(json_build_object('id', v.id, 'text_hash',
				encode(sha256(convert_to(btrim(v.text, E' \t\r\n'), 'UTF8')), 'hex'),
				'text', case when v.age <= 10 and v.text ~ '[{][{%]' then v.text end,
				'left_out', v.age > 10 and v.text ~ '[{][{%]') order by v.number), '[]')
			from (select i.*, row_number() over (order by i.number desc) as age from instruction_versions i
				where i.project_id = p.id order by i.number desc limit 100) v))
$$;
comment on function callmend_rules_project(projects) is 'What an analysis needs of a project: its rules, and its latest 100 versions of instructions by hash (with the text of those of the latest 10 that hold variables)';

-- Not together with the claim, which holds whatever becomes of this: a call that cannot be loaded is found, and its
-- attempts count. What changes a call after the claim asks for its job once more, and callmend_job_done() sees that.
create function callmend_analyst_load(keys text[]) returns json language plpgsql stable as $$
begin
	-- One statement without functions of ours around tables: PL/pgSQL keeps its plan, which is most of its cost.
	return (
		with job as (
			select callmend_uuid(k.key) as call_id, k.n from unnest(keys) with ordinality k(key, n)
		), finished as (
			select j.n, c.project_id, json_build_object(
				'call', json_build_object('id', c.id, 'started_at', callmend_time(c.started_at),
					'duration_ms', c.duration_ms, 'ended_reason', c.ended_reason, 'ended_class', c.ended_class,
					'customer', json_build_object('number', c.customer_number),
					'sentiment', json_build_object('user', c.user_sentiment),
					'counts', json_build_object('interruptions', c.interruption_count),
					'report', c.report, 'imported', c.imported, 'last_seq', c.last_seq),
				-- When its events are gone, the messages that are kept.
				'turns', case when said.turns is not null then said.turns else (
					select coalesce(json_agg(json_build_object('seq', m.seq, 'speaker',
							coalesce(m.speaker, case m.role when 'user' then 'user' else 'ai' end),
							'text', m.text, 'offset_ms', greatest(0, extract(epoch from m.at - c.started_at) * 1000)::bigint)
						order by m.seq), '[]')
					from messages m where m.call_id = c.id and m.role in ('user', 'assistant') and m.text <> '') end,
				'signals', coalesce(said.signals, '[]'),
				'tools', (select coalesce(json_agg(json_build_object('id', t.id, 'tool', t.tool,
						-- what the model searched for, not what a mapping made of it
						'arguments', coalesce(t.arguments_before, t.arguments),
						'success', t.success, 'error', t.error, 'unknown', t.unknown,
						'requested_at', callmend_time(t.requested_at), 'requested_seq', t.requested_seq,
						'offset_ms', (extract(epoch from t.requested_at - c.started_at) * 1000)::bigint,
						-- where a failure is told
						'finished_seq', case when t.success is not true then t.finished_seq end,
						'finished_offset_ms', case when t.success is not true then (select e.offset_ms from call_events e
							where e.call_id = c.id and e.seq = t.finished_seq
								and e.day between (least(c.started_at, c.created_at) at time zone 'UTC')::date - 1
									and (c.updated_at at time zone 'UTC')::date + 1) end,
						'search_argument', d.search_argument) order by t.requested_seq), '[]')
					from tool_calls t left join tool_definitions d
						on d.project_id = c.project_id and d.name = t.tool and d.archived_at is null
					where t.call_id = c.id),
				'commands', (select coalesce(json_agg(json_build_object('verb', i.verb, 'state', i.state)
						order by i.requested_at, i.id), '[]')
					from interventions i where i.call_id = c.id),
				'posted', (select json_build_object('outcome', o.outcome, 'label', o.label, 'value', o.value,
						'reason', o.reason, 'actor', o.actor)
					from call_outcomes o where o.call_id = c.id),
				'system_text', (select left(m.text, 300000) from messages m
					where m.call_id = c.id and m.role = 'system' order by m.seq limit 1),
				'instruction_version', c.instruction_version) as doc
			from job j join calls c on c.id = j.call_id, lateral (
				select json_agg(json_build_object('seq', e.seq, 'turn', e.data->'turn',
						'speaker', coalesce(e.speaker, ''), 'text', coalesce(e.text, ''),
						'offset_ms', e.offset_ms)) filter (where e.type = 'turn') as turns,
					json_agg(json_build_object('seq', e.seq, 'signal', e.data->'signal', 'score', e.data->'score',
						'offset_ms', e.offset_ms, 'evidence', e.data->'evidence'))
						filter (where e.type = 'signal' and e.data->>'state' = 'raised') as signals
				from (select * from call_events x where x.call_id = c.id and x.type in ('turn', 'signal')
					-- Events arrive between the row's making and its last writing, or (imported, or told late)
					-- around the call itself.
					and x.day between (least(c.started_at, c.created_at) at time zone 'UTC')::date - 1
						and (c.updated_at at time zone 'UTC')::date + 1
					order by x.seq) e
			) said
			where not c.live and c.project_id is not null
		)
		select json_build_object('calls', (select coalesce(json_agg(json_build_object(
				'project_id', f.project_id, 'finished', f.doc) order by j.n), '[]')
				from job j left join finished f using (n)),
			'projects', (select coalesce(json_object_agg(p.id, callmend_rules_project(p)), '{}') from projects p
				where p.id in (select project_id from finished))));
end
$$;
comment on function callmend_analyst_load(text[]) is 'Finished calls to be analysed, whole: {calls: [{project_id, finished}] in the order of the keys, projects: {id: {project, versions}}}. finished: the input of understand() (src/analysis/understand.h) without what its project shares';

-- --- storing ---

create function callmend_analyst_hold(who text, results jsonb) returns text[] language plpgsql as $$
begin
	-- Several rows are never waited for: whoever holds one (a late report comes in) may want another of them.
	if jsonb_array_length(results) > 1 then
		return (select coalesce(array_agg(h.key), '{}') from (select j.key from jobs j
			where j.kind = 'analyse' and j.state = 'running' and j.owner = who
				and j.key in (select r->>'key' from jsonb_array_elements(results) r)
			for update skip locked) h);
	end if;
	return (select coalesce(array_agg(h.key), '{}') from (select j.key from jobs j
		where j.kind = 'analyse' and j.state = 'running' and j.owner = who and j.key = results->0->>'key'
		for update) h);
end
$$;
comment on function callmend_analyst_hold(text, jsonb) is 'Locks the jobs of these results that are still held by this analyst; their keys';

create function callmend_analyst_store(who text, results jsonb) returns json language plpgsql as $$
declare
	held text[] := callmend_analyst_hold(who, results);
	docs jsonb[];
	again uuid[];
begin
	select array_agg(r->'doc') into docs from jsonb_array_elements(results) r
		where r->>'key' = any (held) and jsonb_typeof(r->'doc') = 'object';
	-- Only what was analysed before can have rows that no longer hold.
	select array_agg(a.call_id) into again from call_analyses a
		where a.call_id in (select (d->>'call_id')::uuid from unnest(docs) d);
	if again is not null then
		delete from captured_values where call_id = any (again);
		delete from call_tags where call_id = any (again);
		delete from search_failures where call_id = any (again);
	end if;

	insert into call_analyses as a (call_id, org_id, project_id, instruction_version, rules_version, last_seq, caller,
		started_at, duration_ms, outcome, outcome_by, ended_class, cause_class, eligible, failure_point, fields_wanted,
		fields_captured, tool_calls, tool_failures, frustrated, unanswered, doc)
	select (d->>'call_id')::uuid, (d->>'org_id')::uuid, (d->>'project_id')::uuid, (d->>'instruction_version')::uuid,
		d->>'rules_version', (d->>'last_seq')::bigint, d->>'caller', (d->>'started_at')::timestamptz,
		(d->>'duration_ms')::bigint, d->'outcome'->>'outcome', d->'outcome'->>'by', d->>'ended_class', d->>'cause_class',
		(d->>'eligible')::boolean, d->'failure_point'->>'key', (n->>'fields_wanted')::int, (n->>'fields_captured')::int,
		(n->>'tool_calls')::int, (n->>'tool_failures')::int, (n->>'frustrated')::boolean, (n->>'unanswered')::int, d
	from unnest(docs) d, lateral (select d->'counts' as n) counts
	on conflict (call_id) do update set
		org_id = excluded.org_id, project_id = excluded.project_id, instruction_version = excluded.instruction_version,
		rules_version = excluded.rules_version, last_seq = excluded.last_seq, caller = excluded.caller,
		started_at = excluded.started_at, duration_ms = excluded.duration_ms, outcome = excluded.outcome,
		outcome_by = excluded.outcome_by, ended_class = excluded.ended_class, cause_class = excluded.cause_class,
		eligible = excluded.eligible, failure_point = excluded.failure_point, fields_wanted = excluded.fields_wanted,
		fields_captured = excluded.fields_captured, tool_calls = excluded.tool_calls,
		tool_failures = excluded.tool_failures, frustrated = excluded.frustrated, unanswered = excluded.unanswered,
		doc = excluded.doc, analysed_at = now();

	insert into captured_values (call_id, field, org_id, project_id, required, state, value, confidence, how, seq, offset_ms,
		passage)
	select (d->>'call_id')::uuid, v.field, (d->>'org_id')::uuid, (d->>'project_id')::uuid, v.required, v.state, v.value,
		v.confidence, v.how, v.seq, v.offset_ms, v.passage
	from unnest(docs) d, jsonb_to_recordset(d->'fields') v(field text, required boolean, state text, value text,
		confidence numeric, how text, seq bigint, offset_ms bigint, passage text);

	insert into call_tags (call_id, category, tag, org_id, project_id, confidence, seq, offset_ms, passage)
	select (d->>'call_id')::uuid, t.category, t.tag, (d->>'org_id')::uuid, (d->>'project_id')::uuid, t.confidence, t.seq,
		t.offset_ms, t.passage
	from unnest(docs) d, jsonb_to_recordset(d->'tags') t(category text, tag text, confidence numeric, seq bigint,
		offset_ms bigint, passage text);

	insert into search_failures (tool_call_id, org_id, project_id, call_id, tool, term, query, context, empty, at)
	select s.tool_call_id, (d->>'org_id')::uuid, (d->>'project_id')::uuid, (d->>'call_id')::uuid, s.tool,
		callmend_term(s.query), s.query, s.context, s.empty, s.at
	from unnest(docs) d, jsonb_to_recordset(d->'searches') s(tool_call_id uuid, tool text, query text, context text,
		empty boolean, at timestamptz)
	on conflict (tool_call_id) do update set term = excluded.term, query = excluded.query, context = excluded.context,
		empty = excluded.empty, at = excluded.at;

	perform callmend_job_done('analyse', r->>'key', who, (r->>'wanted')::bigint)
		from jsonb_array_elements(results) r where r->>'key' = any (held);
	-- In one order, because several analysts ask for the same ones.
	perform callmend_job('detect', p.project, p.org, null, 3000) from (
		select distinct d->>'project_id' as project, (d->>'org_id')::uuid as org from unnest(docs) d order by 1) p;
	return json_build_object('stored', cardinality(held), 'missed', (select coalesce(json_agg(r->>'key'), '[]')
		from jsonb_array_elements(results) r where r->>'key' <> all (held)));
end
$$;
comment on function callmend_analyst_store(text, jsonb) is 'Stores results [{key, wanted, doc}] (doc null: nothing to store), ends their jobs and asks for detection. Those whose lease is lost, or (of several) whose job row is locked just now, are missed and named';

-- --- asking for it again ---

create function callmend_outcome_posted() returns trigger language plpgsql as $$
begin
	perform callmend_job('analyse', c.id::text, c.org_id, null, 0) from calls c
		where c.id = new.call_id and not c.live and c.project_id is not null;
	return null;
end
$$;
comment on function callmend_outcome_posted() is 'A posted outcome beats what was understood before';
create trigger call_outcomes_posted after insert or update on call_outcomes
	for each row execute function callmend_outcome_posted();
