-- What is known of people and given to calls, search mappings at work, and how the new columns look as JSON.

-- --- search terms ---

-- Spelled out, so that it does not depend on the locale of the database: the same tables stand in src/store/mapping.c.
create or replace function callmend_term(t text) returns text language sql immutable as $$
	select btrim(left(btrim(regexp_replace(translate(t,
		'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŹŻŽΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
		'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷźżžαβγδεζηθικλμνξοπρστυφχψωϊϋѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюя'),
		'[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u3000-\u3003\u3008-\u3011\uff01-\uff0f]+', ' ', 'g')), 200))
$$;
comment on function callmend_term(text) is 'A search term as it is compared: small letters (ASCII, Latin, Greek, Cyrillic), words separated by one space, at most 200 characters. The same as mapping_term() in callmend/mapping.h';

-- --- documents with the new columns ---

create or replace function callmend_call(c calls) returns json language sql stable as $$
	select json_build_object('id', c.id, 'provider_call_id', c.provider_call_id,
		'conversation_id', c.conversation_id, 'source_id', c.source_id, 'project_id', c.project_id,
		'org_id', c.org_id, 'kind', c.kind, 'status', c.status, 'live', c.live,
		'started_at', callmend_time(c.started_at), 'ended_at', callmend_time(c.ended_at),
		'duration_ms', c.duration_ms, 'ended_reason', c.ended_reason, 'ended_class', c.ended_class,
		'customer', c.customer, 'assistant', c.assistant, 'phone_number', c.phone_number,
		'transcript_live', c.transcript_live,
		'sentiment', json_build_object('ai', c.ai_sentiment, 'user', c.user_sentiment, 'call', c.call_sentiment),
		'counts', json_build_object('events', c.event_count, 'turns', c.turn_count,
			'messages', c.message_count, 'tool_calls', c.tool_call_count,
			'tool_errors', c.tool_error_count, 'interruptions', c.interruption_count,
			'hangs', c.hang_count, 'interventions', c.intervention_count,
			'duplicates', c.duplicate_count),
		'outcome', c.outcome, 'cost', c.cost, 'summary', c.summary,
		'instruction_version', c.instruction_version, 'flags', c.flags, 'last_seq', c.last_seq,
		'report', c.report, 'imported', c.imported)
$$;

create or replace function callmend_tool_call(t tool_calls) returns json language sql stable as $$
	select json_build_object('id', t.id, 'call_id', t.call_id, 'project_id', t.project_id,
		'tool_call_id', t.tool_call_id, 'tool', t.tool, 'arguments', t.arguments, 'run_by', t.run_by,
		'requested_at', callmend_time(t.requested_at), 'started_at', callmend_time(t.started_at),
		'duration_ms', t.duration_ms, 'success', t.success, 'result', t.result, 'error', t.error,
		'fallback', t.fallback, 'unknown', t.unknown, 'user_feedback', t.user_feedback,
		'correction', t.correction, 'mapping_id', t.mapping_id, 'arguments_before', t.arguments_before)
$$;

create or replace function callmend_project(p projects) returns json language sql stable as $$
	select json_build_object('id', p.id, 'org_id', p.org_id, 'name', p.name, 'language', p.language,
		'settings', p.settings, 'fields', p.fields, 'success_rule', p.success_rule, 'rules', p.rules,
		'context', p.context, 'tags', p.tags, 'thresholds', p.thresholds,
		'minutes_per_success', p.minutes_per_success, 'created_at', callmend_time(p.created_at),
		'updated_at', callmend_time(p.updated_at), 'archived_at', callmend_time(p.archived_at))
$$;

create or replace function callmend_tool(t tool_definitions) returns json language sql stable as $$
	select json_build_object('id', t.id, 'org_id', t.org_id, 'project_id', t.project_id, 'name', t.name,
		'description', t.description, 'url', t.url, 'method', t.method, 'headers', t.headers,
		'timeout_ms', t.timeout_ms, 'fallback', t.fallback, 'success', t.success,
		'result_path', t.result_path, 'search_argument', t.search_argument,
		'created_at', callmend_time(t.created_at), 'updated_at', callmend_time(t.updated_at),
		'archived_at', callmend_time(t.archived_at))
$$;

create or replace function callmend_tool_create(org uuid, who text, b jsonb, why text) returns json language plpgsql as $$
declare
	project uuid := callmend_project_of(org, b->>'project_id');
	made tool_definitions;
begin
	-- The project's row serialises those who make tools in it.
	perform from projects p where p.id = project for no key update;
	if (select count(*) from tool_definitions t where t.project_id = project and t.archived_at is null) >= 256 then
		raise exception 'project_id: the project has 256 tools already, it may have no more';
	end if;
	insert into tool_definitions (org_id, project_id, name, description, url, method, headers, timeout_ms, fallback,
			success, result_path, search_argument)
		values (org, project, coalesce(b->>'name', ''), coalesce(b->>'description', ''), coalesce(b->>'url', ''),
			coalesce(b->>'method', 'POST'), coalesce(nullif(b->'headers', 'null'), '[]'),
			coalesce((b->>'timeout_ms')::int, 10000), coalesce(b->>'fallback', ''),
			coalesce(nullif(b->'success', 'null'), '{}'), coalesce(b->>'result_path', ''),
			coalesce(b->>'search_argument', ''))
		returning * into made;
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'create', 'tool', made.id, callmend_tool(made), why);
	return callmend_tool(made);
end
$$;
comment on function callmend_tool_create(uuid, text, jsonb, text) is 'Makes a tool, unless its project has 256 in use already (SETTINGS_TOOLS_MAX)';

-- --- contacts (A8) ---

create index contacts_latest on contacts (org_id, last_seen desc, id desc);
create index search_failures_org on search_failures (org_id, at);

create function callmend_contact(c contacts) returns json language sql stable as $$
	select json_build_object('id', c.id, 'number', c.number, 'name', c.name, 'fields', c.fields, 'calls', c.calls,
		'first_seen', callmend_time(c.first_seen), 'last_seen', callmend_time(c.last_seen),
		'updated_at', callmend_time(c.updated_at))
$$;
comment on function callmend_contact(contacts) is 'A contact as JSON';

create function callmend_contact_called() returns trigger language plpgsql as $$
begin
	if tg_op = 'UPDATE' and old.customer_number is not null then
		update contacts set calls = greatest(calls - 1, 0), updated_at = now()
			where org_id = old.org_id and number = old.customer_number;
	end if;
	insert into contacts as c (org_id, number, name, calls, first_seen, last_seen)
	values (new.org_id, new.customer_number, nullif(new.customer->>'name', ''), 1, new.started_at, new.started_at)
	on conflict (org_id, number) do update set
		name = coalesce(c.name, excluded.name), calls = c.calls + 1,
		first_seen = least(c.first_seen, excluded.first_seen),
		last_seen = greatest(c.last_seen, excluded.last_seen), updated_at = now();
	return null;
end
$$;
comment on function callmend_contact_called() is 'Counts a call of a contact, once its number is known';
create trigger calls_contact_new after insert on calls
	for each row when (new.customer_number is not null) execute function callmend_contact_called();
create trigger calls_contact after update of customer_number on calls
	for each row when (new.customer_number is not null and new.customer_number is distinct from old.customer_number)
	execute function callmend_contact_called();

create function callmend_contact_fact(org uuid, project uuid, call uuid, whose text, seq bigint, e jsonb) returns void
language plpgsql as $$
declare
	d jsonb := e->'data';
	seen timestamptz := (e->>'at')::timestamptz;
	what text := d->>'field';
begin
	if coalesce(whose, '') = '' or coalesce(what, '') = '' then
		return;
	end if;
	if d->>'state' is distinct from 'captured' then
		update contacts c set fields = c.fields - what, updated_at = now()
			where c.org_id = org and c.number = whose and c.fields->what->>'call_id' = call::text;
		return;
	end if;
	insert into contacts (org_id, number, first_seen, last_seen) values (org, whose, seen, seen) on conflict do nothing;
	update contacts c set
		fields = c.fields || jsonb_build_object(what, jsonb_build_object('value', d->'value', 'label', d->'label',
			'project_id', project, 'call_id', call, 'seq', seq, 'at', callmend_time(seen),
			'confidence', d->'confidence')),
		name = case when exists (select from projects p, jsonb_array_elements(p.fields) f
				where p.id = project and f->>'name' = what and f->>'type' = 'name')
			then d->>'value' else c.name end,
		updated_at = now()
	where c.org_id = org and c.number = whose
		and coalesce((c.fields->what->>'at')::timestamptz, '-infinity') <= seen;
end
$$;
comment on function callmend_contact_fact(uuid, uuid, uuid, text, bigint, jsonb) is 'Writes a captured field into the contact, the latest of each; takes it back when the call does';

create function callmend_contact_forget(org uuid, who text, whose text, why text) returns json language plpgsql as $$
declare
	gone contacts;
	items bigint;
begin
	delete from contacts c where c.org_id = org and c.number = whose returning * into gone;
	if not found then
		return null;
	end if;
	with dropped as (
		delete from context_items i where i.org_id = org and i.contact_number = whose returning 1
	)
	select count(*) into items from dropped;
	-- The audit log is for ever: it says that somebody was forgotten, not who.
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, reason)
		values (org, who, 'forget', 'contact', gone.id, jsonb_build_object('calls', gone.calls, 'context_items', items), why);
	return json_build_object('id', gone.id, 'forgotten', true, 'context_items', items);
end
$$;
comment on function callmend_contact_forget(uuid, text, text, text) is 'Deletes a contact and what was posted about it; null: none';

-- --- context items (A8) ---

create function callmend_context_item(i context_items) returns json language sql stable as $$
	select json_build_object('id', i.id, 'contact_number', i.contact_number, 'conversation_id', i.conversation_id,
		'kind', i.kind, 'title', i.title, 'text', i.text, 'data', i.data, 'created_by', i.created_by,
		'created_at', callmend_time(i.created_at), 'expires_at', callmend_time(i.expires_at),
		'closed_at', callmend_time(i.closed_at))
$$;
comment on function callmend_context_item(context_items) is 'A context item as JSON';

create function callmend_context_open(org uuid, whose text, talk uuid) returns json language sql stable as $$
	select coalesce(json_agg(json_build_object('id', i.id, 'kind', i.kind, 'title', i.title, 'text', i.text)
		order by i.created_at, i.id), '[]')
	from (
		select * from (
			select * from context_items a where a.org_id = org and a.contact_number = whose and a.closed_at is null
			union
			select * from context_items b where b.org_id = org and b.conversation_id = talk and b.closed_at is null) x
		where x.expires_at is null or x.expires_at > now()
		order by x.created_at desc, x.id desc limit 20) i
$$;
comment on function callmend_context_open(uuid, text, uuid) is 'What holds just now of a contact and a conversation: the latest 20, the oldest first';

-- --- mappings (B3) ---

-- Where "approved" is null the first check is null too, and holds.
alter table search_term_mappings add constraint search_term_mappings_reviewed
	check (not active or (reviewed_at is not null and approved is true));

create function callmend_mapping(m search_term_mappings) returns json language sql stable as $$
	select json_build_object('id', m.id, 'project_id', m.project_id, 'search_term', m.search_term,
		'mapped_terms', m.mapped_terms, 'source', m.source, 'learned_from_call', m.learned_from_call,
		'learned_from_tool_call', m.learned_from_tool_call, 'confidence', m.confidence,
		'times_used', m.times_used, 'times_successful', m.times_successful, 'active', m.active,
		'approved', m.approved, 'reviewed_by', m.reviewed_by, 'reviewed_at', callmend_time(m.reviewed_at),
		'created_by', m.created_by, 'created_at', callmend_time(m.created_at),
		'updated_at', callmend_time(m.updated_at))
$$;
comment on function callmend_mapping(search_term_mappings) is 'A mapping as JSON';

create function callmend_only_project(org uuid, given text) returns uuid language plpgsql stable as $$
declare
	those uuid[];
begin
	if given is not null then
		return callmend_project_of(org, given);
	end if;
	select array_agg(p.id) into those from projects p where p.org_id = org and p.archived_at is null;
	if coalesce(cardinality(those), 0) <> 1 then
		raise exception 'project_id: is needed, there are % projects', coalesce(cardinality(those), 0);
	end if;
	return those[1];
end
$$;
comment on function callmend_only_project(uuid, text) is 'The project that is named, or the only one there is';

create function callmend_mapping_propose(org uuid, project uuid, said text, becomes jsonb, how text, call uuid,
	tool_call uuid, who text) returns search_term_mappings language plpgsql as $$
declare
	made search_term_mappings;
begin
	insert into search_term_mappings (org_id, project_id, search_term, mapped_terms, source, learned_from_call,
			learned_from_tool_call, created_by)
		values (org, project, said, becomes, how, call, tool_call, who) returning * into made;
	perform callmend_activity(org, project, 'mapping.proposed', who, 'mapping', made.id::text,
		format('"%s" → "%s"', said, becomes->>0), jsonb_build_object('source', how));
	if how <> 'manual' then
		perform callmend_notify(org, project, 'mapping_proposed', format('Mapping proposed: %s', left(said, 80)),
			format('A search for "%s" could be made one for "%s". It is not used before somebody has approved it.',
				said, becomes->>0), 'medium', '/api/v1/vapi/mappings/' || made.id,
			jsonb_build_object('projectId', project, 'mappingId', made.id, 'source', how));
	end if;
	return made;
end
$$;
comment on function callmend_mapping_propose(uuid, uuid, text, jsonb, text, uuid, uuid, text) is 'A new mapping, not in use, and those who review are told';

create function callmend_mapping_create(org uuid, who text, b jsonb, why text) returns json language plpgsql as $$
declare
	project uuid := callmend_only_project(org, b->>'project_id');
	said text := callmend_term(b->>'search_term');
	terms jsonb;
	twin uuid;
	made search_term_mappings;
begin
	if said = '' then
		raise exception 'search_term: must contain a letter or digit';
	end if;
	select jsonb_agg(btrim(t) order by n) into terms from jsonb_array_elements_text(b->'mapped_terms') with ordinality as x(t, n);
	if exists (select from jsonb_array_elements_text(terms) t where callmend_term(t) = '') then
		raise exception 'mapped_terms: each must contain a letter or digit';
	end if;
	if callmend_term(terms->>0) = said then
		raise exception 'mapped_terms[0]: is the search term itself';
	end if;
	perform from projects p where p.id = project for no key update;
	select m.id into twin from search_term_mappings m where m.project_id = project and m.search_term = said
		and m.mapped_terms = terms and (m.active or m.reviewed_at is null) limit 1;
	if found then
		raise exception 'the mapping % says the same', twin using errcode = 'unique_violation';
	end if;
	made := callmend_mapping_propose(org, project, said, terms, coalesce(b->>'source', 'manual'), null, null, who);
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'create', 'mapping', made.id, callmend_mapping(made), why);
	return callmend_mapping(made);
end
$$;
comment on function callmend_mapping_create(uuid, text, jsonb, text) is 'Makes a mapping; it is not in use before it was reviewed';

create function callmend_mapping_change(org uuid, who text, which uuid, yes boolean, action text, why text) returns json
language plpgsql as $$
declare
	m search_term_mappings;
	old json;
	other uuid;
begin
	select * into m from search_term_mappings x where x.org_id = org and x.id = which;
	if not found then
		return null;
	end if;
	-- The project's row serialises those who change its mappings.
	perform from projects p where p.id = m.project_id for no key update;
	select * into m from search_term_mappings x where x.id = which for update;
	old := callmend_mapping(m);
	if action = 'review' and yes then
		select x.id into other from search_term_mappings x
			where x.project_id = m.project_id and x.search_term = m.search_term and x.active and x.id <> m.id;
		if found then
			raise exception 'the mapping % is in use for "%" already: deactivate it first', other, m.search_term
				using errcode = 'unique_violation';
		end if;
		if (select count(*) from search_term_mappings x where x.project_id = m.project_id and x.active) >= 10000 then
			raise exception 'the project has 10000 mappings in use, it may have no more';
		end if;
	end if;
	if action = 'review' then
		update search_term_mappings x set approved = yes, active = yes, reviewed_by = who, reviewed_at = now(),
			updated_at = now() where x.id = which returning * into m;
		perform callmend_activity(org, m.project_id, 'mapping.reviewed', who, 'mapping', m.id::text,
			format('"%s" → "%s": %s', m.search_term, m.mapped_terms->>0, case when yes then 'approved' else 'refused' end),
			jsonb_build_object('approved', yes));
	else
		update search_term_mappings x set active = false, updated_at = now() where x.id = which returning * into m;
	end if;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, action, 'mapping', m.id, old, callmend_mapping(m), why);
	return callmend_mapping(m);
end
$$;
comment on function callmend_mapping_change(uuid, text, uuid, boolean, text, text) is 'Reviews (approved: in use from now on) or deactivates a mapping; null: none such';

create function callmend_mapping_confidence(successful bigint, used bigint) returns numeric language sql immutable as $$
	select round((1 + successful)::numeric / (2 + used), 4)
$$;
comment on function callmend_mapping_confidence(bigint, bigint) is 'Mean of the Beta posterior of a mapping''s success, from a uniform prior: 0.5 at first';

create function callmend_mapping_learn(t tool_calls, who text) returns uuid language plpgsql as $$
declare
	path text[];
	said text;
	becomes text;
	made search_term_mappings;
begin
	select string_to_array(d.search_argument, '.') into path from tool_definitions d
		where d.project_id = t.project_id and d.name = t.tool and d.search_argument <> '' and d.archived_at is null;
	if not found then
		return null;
	end if;
	said := callmend_term(coalesce(t.arguments_before, t.arguments) #>> path);
	becomes := btrim(t.correction #>> ('{arguments}'::text[] || path));
	if coalesce(said, '') = '' or coalesce(callmend_term(becomes), '') in ('', said) or length(becomes) > 200 then
		return null;
	end if;
	perform from projects p where p.id = t.project_id for no key update;
	-- What was proposed before, or refused, is not proposed again.
	if exists (select from search_term_mappings m where m.project_id = t.project_id and m.search_term = said
			and callmend_term(m.mapped_terms->>0) = callmend_term(becomes)) then
		return null;
	end if;
	made := callmend_mapping_propose(t.org_id, t.project_id, said, jsonb_build_array(becomes), 'auto_learned', t.call_id, t.id, who);
	return made.id;
end
$$;
comment on function callmend_mapping_learn(tool_calls, text) is 'Proposes a mapping from the correction of a search; null: there is nothing to learn';

create function callmend_tool_call_judge(org uuid, who text, which uuid, b jsonb, why text) returns json language plpgsql as $$
declare
	t tool_calls;
	old json;
	learned uuid;
begin
	select * into t from tool_calls x where x.org_id = org and x.id = which for update;
	if not found then
		return null;
	end if;
	old := json_build_object('user_feedback', t.user_feedback, 'correction', t.correction);
	update tool_calls x set
		user_feedback = case when b ? 'user_feedback' then b->>'user_feedback' else x.user_feedback end,
		correction = case when b ? 'correction' then nullif(b->'correction', 'null') else x.correction end,
		updated_at = now()
	where x.id = which returning * into t;
	if jsonb_typeof(b->'correction'->'arguments') = 'object' then
		learned := callmend_mapping_learn(t, who);
	end if;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'feedback', 'tool_call', t.id, old,
			json_build_object('user_feedback', t.user_feedback, 'correction', t.correction), why);
	return callmend_tool_call(t)::jsonb || jsonb_build_object('proposed_mapping', learned);
end
$$;
comment on function callmend_tool_call_judge(uuid, text, uuid, jsonb, text) is 'Feedback and correction of a tool call; the correction of a search proposes a mapping';

-- --- outcomes and analyses ---

create function callmend_outcome_post(org uuid, who text, which text, b jsonb, why text) returns json language plpgsql as $$
declare
	call calls;
	old jsonb;
	made call_outcomes;
begin
	select c.* into call from calls c where c.id = callmend_call_id(org, which);
	if not found then
		return null;
	end if;
	select to_jsonb(o) into old from call_outcomes o where o.call_id = call.id for update;
	insert into call_outcomes as o (call_id, org_id, outcome, label, value, reason, actor)
	values (call.id, org, b->>'outcome', b->>'label', (b->>'value')::numeric, b->>'reason', who)
	on conflict (call_id) do update set outcome = excluded.outcome, label = excluded.label, value = excluded.value,
		reason = excluded.reason, actor = excluded.actor, at = now()
	returning * into made;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'outcome', 'call', call.id, old, to_jsonb(made), why);
	return json_build_object('call_id', made.call_id, 'outcome', made.outcome, 'label', made.label, 'value', made.value,
		'reason', made.reason, 'actor', made.actor, 'at', callmend_time(made.at));
end
$$;
comment on function callmend_outcome_post(uuid, text, text, jsonb, text) is 'An outcome that is known later; it beats the rule, and the call is analysed again';

-- --- served instructions ---

-- Who waits for it: callmend_suggestion_seen(), where it exists.
create function callmend_served(project uuid, version uuid, source uuid, at timestamptz) returns void language plpgsql as $$
begin
	if version is not null and to_regprocedure('callmend_suggestion_seen(uuid,uuid,uuid,timestamptz)') is not null then
		perform callmend_suggestion_seen(project, version, source, at);
	end if;
end
$$;
comment on function callmend_served(uuid, uuid, uuid, timestamptz) is 'A source was answered with a version of the instructions';
