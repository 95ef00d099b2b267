-- Accepting what was suggested, bringing it to where calls are served from, and taking it back.

alter table suggestions
	add column rolled_back_at timestamptz,
	add column rolled_back_by text,
	add column rolled_back_because text;
comment on column suggestions.rolled_back_at is 'Since when the version that it made, or one made from that, is no longer in force';
comment on column suggestions.rolled_back_by is 'Who took it back';
comment on column suggestions.rolled_back_because is 'Why, in the words of who took it back';

-- --- sections ---

create function callmend_sections_of(version uuid) returns jsonb language sql stable as $$
	select coalesce((select v.sections from instruction_versions v where v.id = version), '[]')
$$;
comment on function callmend_sections_of(uuid) is 'The sections of a version; none for null';

create function callmend_sections_compare(before jsonb, after jsonb) returns jsonb language sql immutable as $$
	with old as (
		select n, coalesce(x->>'name', '') as name, x->>'text' as text,
			row_number() over (partition by coalesce(x->>'name', '') order by n) as nth
		from jsonb_array_elements(before) with ordinality as t(x, n)
	), new as (
		select n, coalesce(x->>'name', '') as name, x->>'text' as text,
			row_number() over (partition by coalesce(x->>'name', '') order by n) as nth
		from jsonb_array_elements(after) with ordinality as t(x, n)
	)
	select coalesce(jsonb_agg(jsonb_build_object('section', coalesce(new.name, old.name), 'before', old.text,
		'after', new.text, 'changed', old.text is distinct from new.text)
		order by coalesce(new.n, old.n), new.n is null), '[]')
	from old full join new on new.name = old.name and new.nth = old.nth
$$;
comment on function callmend_sections_compare(jsonb, jsonb) is 'Two lists of sections side by side: [{section, before, after, changed}]; null where there is none';

create function callmend_section_find(sections jsonb, section text, body text) returns int language sql immutable as $$
	select (n - 1)::int from jsonb_array_elements(sections) with ordinality as t(x, n)
	where coalesce(x->>'name', '') = section order by (x->>'text' = body) desc, n limit 1
$$;
comment on function callmend_section_find(jsonb, text, text) is 'Where a section of this name is, one with this text first; null: nowhere';

create function callmend_section_change(sections jsonb, c suggestion_changes, out changed jsonb, out conflict text)
language plpgsql immutable as $$
declare
	place int := callmend_section_find(sections, c.section, c.current);
	present text := sections->place->>'text';
begin
	changed := sections;
	if place is null and c.current = '' then
		changed := sections || jsonb_build_array(jsonb_build_object('name', c.section, 'text', c.suggested));
	elsif place is null then
		conflict := format('section "%s" is not there any more', c.section);
	elsif present = c.suggested then
		return;
	elsif present <> c.current then
		conflict := format(case when c.current = '' then 'section "%s" has been added meanwhile'
			else 'section "%s" has changed since the suggestion was made' end, c.section);
	elsif c.suggested = '' then
		changed := sections - place;
	else
		changed := jsonb_set(sections, array[place::text, 'text'], to_jsonb(c.suggested));
	end if;
end
$$;
comment on function callmend_section_change(jsonb, suggestion_changes) is 'One change made to sections; conflict says why it does not fit them, and nothing is changed then';

create function callmend_suggestion_rebase(suggestion uuid, inout sections jsonb, out conflicts jsonb)
language plpgsql stable as $$
declare
	c suggestion_changes;
	step record;
begin
	conflicts := '[]';
	for c in select * from suggestion_changes x where x.suggestion_id = suggestion order by x.position loop
		step := callmend_section_change(sections, c);
		sections := step.changed;
		if step.conflict is not null then
			conflicts := conflicts || jsonb_build_array(jsonb_build_object('section', c.section, 'detail', step.conflict));
		end if;
	end loop;
end
$$;
comment on function callmend_suggestion_rebase(uuid, jsonb) is 'The changes of a suggestion made to these sections, and those that do not fit: [{section, detail}]';

-- --- versions ---

create function callmend_version_line(version uuid) returns setof uuid language sql stable as $$
	with recursive line as (
		select v.id, v.parent from instruction_versions v where v.id = version
		union
		select v.id, v.parent from line join instruction_versions v on v.id = line.parent
	)
	select id from line
$$;
comment on function callmend_version_line(uuid) is 'A version and those it was made from, one from the other';

create function callmend_version_holds(version uuid, s suggestions) returns boolean language sql stable as $$
	select version is not null and (s.result_version = version or (s.result_version in (select callmend_version_line(version))
		and not exists (select from suggestion_changes c where c.suggestion_id = s.id and c.suggested <> ''
			and not exists (select from jsonb_array_elements(callmend_sections_of(version)) x
				where coalesce(x->>'name', '') = c.section and x->>'text' = c.suggested))))
$$;
comment on function callmend_version_holds(uuid, suggestions) is 'Does this version have what the suggestion changed: is it the one that accepting made, or made from it with the sections kept?';

create function callmend_version_name(version uuid) returns text language sql stable as $$
	select coalesce((select 'version ' || v.number from instruction_versions v where v.id = version), 'no version')
$$;
comment on function callmend_version_name(uuid) is 'A version for people';

-- --- where calls are served from ---

create function callmend_patched(s sources) returns boolean language sql immutable as $$
	select s.dialect = 'vapi' and s.assistant_mode <> 'inline' and s.private_key is not null and s.assistant_id <> ''
$$;
comment on function callmend_patched(sources) is 'Is the assistant at the provider kept at the instructions in force? A fetched one too: calls that ask for no assistant have it';

create function callmend_serving(project uuid) returns table (source_id uuid, how text) language sql stable as $$
	select s.id, case when s.assistant_mode in ('inline', 'fetch') then 'assistant-request' else 'patch' end
	from sources s
	where s.project_id = project and s.archived_at is null
		and (s.assistant_mode in ('inline', 'fetch') or callmend_patched(s))
	order by s.id
$$;
comment on function callmend_serving(uuid) is 'The sources that serve the instructions of a project, and what proves it: assistant-request when they answer that with the text, else PATCH of the provider''s assistant';

create function callmend_apply_wanted(project uuid, what jsonb) returns bigint language plpgsql as $$
declare
	org uuid := (select p.org_id from projects p where p.id = project);
	n bigint;
begin
	perform callmend_job('apply', s.id::text, org, what, 0) from sources s
		where s.project_id = project and s.archived_at is null and callmend_patched(s);
	get diagnostics n = row_count;
	return n;
end
$$;
comment on function callmend_apply_wanted(uuid, jsonb) is 'Asks that the assistants at the provider be brought to the instructions in force; how many';

create function callmend_instructions_moved() returns trigger language plpgsql as $$
begin
	if tg_op = 'UPDATE' and new.current_version is not distinct from old.current_version then
		return null;
	end if;
	perform from suggestions s where s.project_id = new.project_id and s.result_version is not null order by s.id for update;
	update suggestions s set rolled_back_at = now()
		where s.project_id = new.project_id and s.result_version is not null and s.rolled_back_at is null
			and s.result_version not in (select callmend_version_line(new.current_version));
	update suggestions s set rolled_back_at = null, rolled_back_by = null, rolled_back_because = null
		where s.project_id = new.project_id and s.rolled_back_at is not null
			and s.result_version in (select callmend_version_line(new.current_version));
	perform callmend_apply_wanted(new.project_id, null) where new.current_version is not null;
	return null;
end
$$;
comment on function callmend_instructions_moved() is 'Another version is in force: suggestions it lacks are taken back, and the provider''s assistants have to follow';
create trigger instructions_moved after insert or update of current_version on instructions
	for each row execute function callmend_instructions_moved();

-- --- a suggestion as JSON (C3's names) ---

create function callmend_suggestion_link(s suggestions) returns text language sql immutable as $$
	select format('/api/v1/projects/%s/suggestions/%s', s.project_id, s.id)
$$;
comment on function callmend_suggestion_link(suggestions) is 'Path of the API where a suggestion is';

create function callmend_suggestion_sources(suggestion uuid) returns jsonb language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('sourceId', u.source_id, 'name', x.name, 'how', u.how,
		'seenAt', callmend_time(u.seen_at), 'error', u.error, 'attempts', u.attempts,
		'updatedAt', callmend_time(u.updated_at)) order by x.name, u.source_id), '[]')
	from suggestion_sources u left join sources x on x.id = u.source_id where u.suggestion_id = suggestion
$$;
comment on function callmend_suggestion_sources(uuid) is 'Where a suggestion has to arrive, as JSON';

create function callmend_suggestion_changes(suggestion uuid) returns jsonb language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('section', c.section, 'current', c.current, 'suggested', c.suggested,
		'reason', c.reason) order by c.position), '[]') from suggestion_changes c where c.suggestion_id = suggestion
$$;
comment on function callmend_suggestion_changes(uuid) is 'The changes of a suggestion as JSON';

create function callmend_suggestion(s suggestions) returns jsonb language sql stable as $$
	select jsonb_build_object('id', s.id, 'projectId', s.project_id,
		'projectName', (select p.name from projects p where p.id = s.project_id),
		'issueId', s.issue_id, 'type', s.type, 'priority', s.priority, 'title', s.title,
		'currentInstruction', s.current_instruction, 'currentMetrics', s.current_metrics,
		'suggestedChanges', callmend_suggestion_changes(s.id), 'expectedImpact', s.expected_impact,
		'quotes', s.quotes, 'generatedBy', s.generated_by, 'modelUsage', s.model_usage, 'status', s.status,
		'baseVersion', s.base_version, 'resultVersion', s.result_version)
	|| jsonb_build_object('createdAt', callmend_time(s.created_at),
		'acceptedAt', callmend_time(s.accepted_at), 'acceptedBy', s.accepted_by,
		'rejectedAt', callmend_time(s.rejected_at), 'rejectedBy', s.rejected_by, 'rejectedBecause', s.rejected_because,
		'appliedAt', callmend_time(s.applied_at), 'applyError', s.apply_error,
		'rolledBackAt', callmend_time(s.rolled_back_at), 'rolledBackBy', s.rolled_back_by,
		'rolledBackBecause', s.rolled_back_because, 'actualImpact', s.actual_impact,
		'sources', callmend_suggestion_sources(s.id))
$$;
comment on function callmend_suggestion(suggestions) is 'A suggestion as JSON: the names of C3, ours beside them';

create function callmend_suggestion_audit(s suggestions) returns jsonb language sql stable as $$
	select jsonb_build_object('id', s.id, 'status', s.status, 'title', s.title, 'resultVersion', s.result_version,
		'rejectedBecause', s.rejected_because, 'appliedAt', callmend_time(s.applied_at), 'applyError', s.apply_error)
$$;
comment on function callmend_suggestion_audit(suggestions) is 'Of a suggestion what decisions change';

create function callmend_suggestion_held(org uuid, project uuid, suggestion uuid) returns suggestions
language plpgsql as $$
declare
	s suggestions;
begin
	-- The project's row serialises all who move its instructions.
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null for update;
	select * into s from suggestions x where x.id = suggestion and x.project_id = project and x.org_id = org for update;
	return s;
end
$$;
comment on function callmend_suggestion_held(uuid, uuid, uuid) is 'A suggestion of this project and organisation, locked; null when there is none';

-- --- accepting and rejecting ---

create function callmend_suggestion_undecided(s suggestions) returns void language plpgsql as $$
begin
	if s.status <> 'pending' then
		perform callmend_conflict(format('the suggestion is not pending: it is %s', s.status));
	end if;
end
$$;
comment on function callmend_suggestion_undecided(suggestions) is 'Refuses (CM001) a suggestion that was decided already';

create function callmend_suggestion_new_sections(s suggestions) returns jsonb language plpgsql as $$
declare
	made record;
begin
	made := callmend_suggestion_rebase(s.id, callmend_sections_of(
		(select i.current_version from instructions i where i.project_id = s.project_id)));
	if made.conflicts <> '[]' then
		perform callmend_conflict((select string_agg(c->>'detail', '; ') from jsonb_array_elements(made.conflicts) c)
			|| ': reject the suggestion and ask for a new one');
	end if;
	return made.sections;
end
$$;
comment on function callmend_suggestion_new_sections(suggestions) is 'The sections in force with the changes of a suggestion made to them; CM001 names the sections they do not fit';

create function callmend_suggestion_aim(s suggestions) returns void language plpgsql as $$
begin
	insert into suggestion_sources as u (suggestion_id, org_id, source_id, how)
		select s.id, s.org_id, x.source_id, x.how from callmend_serving(s.project_id) x
		on conflict (suggestion_id, source_id) do update set how = excluded.how, error = null, updated_at = now()
			where u.seen_at is null;
	update suggestions x set apply_error = case when not exists (
			select from suggestion_sources u where u.suggestion_id = s.id) then
			'No source of the project serves its instructions: give one assistant_mode inline or fetch, or '
			'private_key and assistant_id, then POST ' || callmend_suggestion_link(s) || '/apply' end
		where x.id = s.id and x.status = 'accepted';
end
$$;
comment on function callmend_suggestion_aim(suggestions) is 'Notes at which sources an accepted suggestion has to arrive';

create function callmend_suggestion_accept(org uuid, who text, project uuid, suggestion uuid, why text) returns jsonb
language plpgsql as $$
declare
	old suggestions := callmend_suggestion_held(org, project, suggestion);
	new suggestions;
	version json;
begin
	if old.id is null then
		return null;
	end if;
	perform callmend_suggestion_undecided(old);
	version := callmend_instruction_create(org, who, project, jsonb_build_object(
		'sections', callmend_suggestion_new_sections(old),
		'note', format('Suggestion %s: %s', old.id, old.title)), why);
	if version is null then
		return null;
	end if;
	update suggestions s set status = 'accepted', accepted_at = now(), accepted_by = who,
		result_version = (version->>'id')::uuid where s.id = old.id;
	perform callmend_suggestion_aim(old);
	select * into new from suggestions s where s.id = old.id;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'accept', 'suggestion', old.id, callmend_suggestion_audit(old), callmend_suggestion_audit(new), why);
	perform callmend_activity(org, project, 'suggestion.accepted', who, 'suggestion', old.id::text,
		'Accepted: ' || old.title, jsonb_build_object('version', version->'id', 'number', version->'number', 'reason', why));
	return jsonb_build_object('success', true, 'suggestion', callmend_suggestion(new), 'version', version);
end
$$;
comment on function callmend_suggestion_accept(uuid, text, uuid, uuid, text) is 'Puts a suggestion in force as a new version of the instructions; null: no such suggestion';

create function callmend_change_pattern(section text, suggested text) returns text language sql immutable as $$
	select left(trim(regexp_replace(lower(section || ': ' || suggested), '[[:space:][:punct:]]+', ' ', 'g')), 400)
		|| ' ' || md5(trim(regexp_replace(lower(section || ': ' || suggested), '[[:space:][:punct:]]+', ' ', 'g')))
$$;
comment on function callmend_change_pattern(text, text) is 'A change as it is remembered in feedback_patterns: its words, and their hash';

create function callmend_suggestion_remember(s suggestions, what text, example jsonb) returns void language sql volatile as $$
	insert into feedback_patterns as f (org_id, project_id, type, cause, subject, pattern, examples)
	select distinct on (callmend_change_pattern(c.section, c.suggested)) s.org_id, s.project_id, what,
		coalesce(i.cause, s.type), coalesce(i.subject, ''), callmend_change_pattern(c.section, c.suggested),
		jsonb_build_array(example)
	from suggestion_changes c left join issues i on i.id = s.issue_id where c.suggestion_id = s.id
	on conflict (project_id, type, cause, subject, pattern) do update set occurrences = f.occurrences + 1,
		examples = jsonb_path_query_array(excluded.examples || f.examples, '$[0 to 9]'), last_seen = now()
$$;
comment on function callmend_suggestion_remember(suggestions, text, jsonb) is 'What was learned of the changes of a suggestion, with an example (the latest ten are kept)';

create function callmend_suggestion_reject(org uuid, who text, project uuid, suggestion uuid, why text, learn boolean)
returns jsonb language plpgsql as $$
declare
	old suggestions := callmend_suggestion_held(org, project, suggestion);
	new suggestions;
begin
	if old.id is null then
		return null;
	end if;
	perform callmend_suggestion_undecided(old);
	update suggestions s set status = 'rejected', rejected_at = now(), rejected_by = who, rejected_because = why,
		learn = callmend_suggestion_reject.learn where s.id = old.id returning * into new;
	if callmend_suggestion_reject.learn then
		perform callmend_suggestion_remember(old, 'rejected', jsonb_build_object('suggestion_id', old.id, 'reason', why,
			'by', who, 'at', callmend_time(now())));
	end if;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'reject', 'suggestion', old.id, callmend_suggestion_audit(old), callmend_suggestion_audit(new), why);
	perform callmend_activity(org, project, 'suggestion.rejected', who, 'suggestion', old.id::text,
		'Rejected: ' || old.title, jsonb_build_object('reason', why));
	return jsonb_build_object('success', true, 'suggestion', callmend_suggestion(new));
end
$$;
comment on function callmend_suggestion_reject(uuid, text, uuid, uuid, text, boolean) is 'Rejects a suggestion, and remembers its changes when this is to be learned from; null: no such suggestion';

create function callmend_issue(i issues) returns jsonb language sql stable as $$
	select jsonb_build_object('id', i.id, 'project_id', i.project_id, 'cause', i.cause, 'subject', i.subject,
		'instruction_version', i.instruction_version, 'status', i.status, 'title', i.title, 'evidence', i.evidence,
		'opened_at', callmend_time(i.opened_at), 'updated_at', callmend_time(i.updated_at),
		'closed_at', callmend_time(i.closed_at), 'closed_because', i.closed_because,
		'suggestions', (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'status', s.status, 'title', s.title,
			'created_at', callmend_time(s.created_at)) order by s.created_at, s.id), '[]')
			from suggestions s where s.issue_id = i.id))
$$;
comment on function callmend_issue(issues) is 'An issue as JSON, with its suggestions';

create function callmend_issue_dismiss(org uuid, who text, issue uuid, why text) returns jsonb language plpgsql as $$
declare
	old issues;
	new issues;
begin
	perform from projects p where p.org_id = org and p.id = (select i.project_id from issues i where i.id = issue) for update;
	select * into old from issues i where i.id = issue and i.org_id = org for update;
	if not found then
		return null;
	end if;
	if old.status <> 'open' then
		perform callmend_conflict(format('the issue is not open: it is %s', old.status));
	end if;
	perform callmend_suggestion_reject(org, who, old.project_id, s.id, coalesce('its issue was dismissed: ' || why,
		'its issue was dismissed'), false) from suggestions s where s.issue_id = old.id and s.status = 'pending';
	update issues i set status = 'dismissed', closed_at = now(), closed_because = coalesce(why, 'dismissed'), updated_at = now()
		where i.id = old.id returning * into new;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'dismiss', 'issue', old.id, jsonb_build_object('status', old.status),
			jsonb_build_object('status', new.status), why);
	perform callmend_activity(org, old.project_id, 'issue.closed', who, 'issue', old.id::text,
		'Dismissed: ' || old.title, jsonb_build_object('status', 'dismissed', 'reason', why));
	return callmend_issue(new);
end
$$;
comment on function callmend_issue_dismiss(uuid, text, uuid, text) is 'Closes an issue that is none, and rejects its pending suggestion with it; null: no such issue';

-- --- seen to be served ---

create function callmend_suggestion_meta(s suggestions, more jsonb) returns jsonb language sql stable as $$
	select jsonb_build_object('projectId', s.project_id, 'suggestionId', s.id, 'priority', s.priority,
		'expectedImpact', s.expected_impact) || more
$$;
comment on function callmend_suggestion_meta(suggestions, jsonb) is 'Metadata of a notification about a suggestion (C5)';

create function callmend_suggestion_applied(s suggestions, version uuid, source uuid) returns void language plpgsql as $$
declare
	place text := coalesce((select x.name from sources x where x.id = source), 'unknown');
begin
	perform callmend_notify(s.org_id, s.project_id, 'suggestion_applied', 'Suggestion applied: ' || s.title,
		format('Source %s serves it: %s of the instructions was seen there.', place, callmend_version_name(version)),
		s.priority, callmend_suggestion_link(s),
		callmend_suggestion_meta(s, jsonb_build_object('sourceId', source, 'version', version)));
	perform callmend_activity(s.org_id, s.project_id, 'suggestion.applied', 'source:' || place, 'suggestion', s.id::text,
		'Applied: ' || s.title, jsonb_build_object('source_id', source, 'version', version));
end
$$;
comment on function callmend_suggestion_applied(suggestions, uuid, uuid) is 'Tells people that a suggestion is served';

create function callmend_suggestion_errors(suggestion uuid) returns text language sql stable as $$
	select string_agg(coalesce(x.name, u.source_id::text) || ': ' || u.error, '; ' order by x.name, u.source_id)
	from suggestion_sources u left join sources x on x.id = u.source_id
	where u.suggestion_id = suggestion and u.seen_at is null and u.error is not null
$$;
comment on function callmend_suggestion_errors(uuid) is 'Why a suggestion has not arrived everywhere, by source; null: nothing is known to be wrong';

create function callmend_suggestions_awaited(project uuid, source uuid) returns setof suggestions language sql volatile as $$
	select x.* from suggestions x
	where x.project_id = project and x.result_version is not null and x.rolled_back_at is null
		and (x.status = 'accepted' or (x.status = 'applied' and exists (select from suggestion_sources u
			where u.suggestion_id = x.id and u.source_id = source and u.seen_at is null)))
	order by x.id
$$;
comment on function callmend_suggestions_awaited(uuid, uuid) is 'Suggestions that were not seen to be served, or not by this source';

create function callmend_suggestion_seen(project uuid, version uuid, source uuid, at timestamptz) returns void
language plpgsql as $$
declare
	s suggestions;
begin
	if not exists (select from callmend_suggestions_awaited(project, source)) then
		return;
	end if;
	-- In the order of whoever accepts or moves instructions: first the project, then its suggestions.
	perform from projects p where p.id = project for no key update;
	for s in select * from callmend_suggestions_awaited(project, source) loop
		continue when not callmend_version_holds(version, s);
		insert into suggestion_sources as u (suggestion_id, org_id, source_id, how, seen_at)
			select s.id, s.org_id, source, coalesce((select w.how from callmend_serving(project) w where w.source_id = source),
				'assistant-request'), callmend_suggestion_seen.at
			on conflict (suggestion_id, source_id) do update set seen_at = coalesce(u.seen_at, excluded.seen_at),
				error = null, updated_at = now();
		update suggestions x set status = 'applied', applied_at = coalesce(x.applied_at, callmend_suggestion_seen.at),
			apply_error = callmend_suggestion_errors(s.id) where x.id = s.id;
		if s.status = 'accepted' then
			perform callmend_suggestion_applied(s, version, source);
		end if;
	end loop;
end
$$;
comment on function callmend_suggestion_seen(uuid, uuid, uuid, timestamptz) is 'This source was seen to serve this version: suggestions it holds are applied, told once, however often it is said';

-- --- bringing it to the provider (jobs of kind apply; the key is the source) ---

create function callmend_apply_load(source uuid) returns jsonb language sql stable as $$
	select jsonb_build_object('org_id', s.org_id, 'project_id', s.project_id, 'name', s.name, 'api_base', s.api_base,
		'assistant_id', s.assistant_id, 'private_key', s.private_key, 'version', v.id, 'text', v.text,
		'known', (select coalesce(jsonb_agg(encode(sha256(convert_to(btrim(k.text, E' \t\r\n'), 'UTF8')), 'hex')), '[]')
			from (select * from instruction_versions i where i.project_id = s.project_id
				order by i.number desc limit 500) k))
	from sources s
	join instructions i on i.project_id = s.project_id
	join instruction_versions v on v.id = i.current_version
	join projects p on p.id = s.project_id and p.archived_at is null
	where s.id = source and s.archived_at is null and callmend_patched(s)
$$;
comment on function callmend_apply_load(uuid) is 'What has to be where, and by which texts an assistant is known to be as we left it (hashes of the latest 500 versions); null: nothing has to be done';

create function callmend_apply_given_up(source uuid, version uuid, why text) returns void language plpgsql as $$
declare
	here sources;
	s suggestions;
	told boolean := false;
begin
	select * into here from sources x where x.id = source;
	for s in
		select x.* from suggestions x join suggestion_sources u on u.suggestion_id = x.id and u.source_id = source
			and u.how = 'patch'
		where x.project_id = here.project_id and x.status in ('accepted', 'applied') and u.seen_at is null
			and callmend_version_holds(version, x) order by x.id
	loop
		told := true;
		perform callmend_notify(s.org_id, s.project_id, 'suggestion_failed', 'Suggestion not applied: ' || s.title,
			format('Source %s: %s. To try again: POST %s/apply', here.name, why, callmend_suggestion_link(s)), 'high',
			callmend_suggestion_link(s),
			callmend_suggestion_meta(s, jsonb_build_object('sourceId', source, 'version', version, 'error', why)));
		perform callmend_activity(s.org_id, s.project_id, 'suggestion.failed', 'analyst', 'suggestion', s.id::text,
			'Not applied: ' || s.title, jsonb_build_object('source_id', source, 'version', version, 'error', why));
	end loop;
	if not told then
		perform callmend_notify(here.org_id, here.project_id, 'suggestion_failed', 'Instructions not applied: ' || here.name,
			format('Source %s: %s. To try again: POST /api/v1/projects/%s/instructions/apply', here.name, why, here.project_id),
			'high', format('/api/v1/projects/%s/instructions', here.project_id),
			jsonb_build_object('projectId', here.project_id, 'sourceId', source, 'version', version, 'error', why));
	end if;
end
$$;
comment on function callmend_apply_given_up(uuid, uuid, text) is 'Tells people that an assistant at the provider could not be brought to the instructions in force';

create function callmend_apply_failed(source uuid, version uuid, why text) returns void language plpgsql as $$
declare
	s suggestions;
begin
	for s in
		select x.* from suggestions x join suggestion_sources u on u.suggestion_id = x.id and u.source_id = source
			and u.how = 'patch'
		where x.status in ('accepted', 'applied') and u.seen_at is null and callmend_version_holds(version, x)
		order by x.id for update of x
	loop
		update suggestion_sources u set error = why, attempts = u.attempts + 1, updated_at = now()
			where u.suggestion_id = s.id and u.source_id = source;
		update suggestions x set apply_error = callmend_suggestion_errors(s.id) where x.id = s.id;
	end loop;
end
$$;
comment on function callmend_apply_failed(uuid, uuid, text) is 'Notes with the suggestions concerned why an assistant is not as it should be';

create function callmend_apply_store(source uuid, who text, seen bigint, verdict text, version uuid, why text, most int)
returns text language plpgsql as $$
declare
	project uuid := (select x.project_id from sources x where x.id = source);
	state text := verdict;
begin
	-- First the project, as whoever accepts: he holds it and asks for this job.
	perform from projects p where p.id = project for no key update;
	perform callmend_job_held('apply', source::text, who);
	if verdict = 'seen' then
		-- With a fetched assistant the provider's copy proves nothing of what is served.
		perform callmend_suggestion_seen(project, version, source, now()) from callmend_serving(project) w
			where w.source_id = source and w.how = 'patch';
	elsif verdict = 'failed' then
		state := callmend_job_failed('apply', source::text, who, why, most);
		perform callmend_apply_failed(source, version, why);
	end if;
	if verdict <> 'failed' then
		perform callmend_job_done('apply', source::text, who, seen);
	elsif state = 'dead' then
		perform callmend_apply_given_up(source, version, why);
	end if;
	return state;
end
$$;
comment on function callmend_apply_store(uuid, text, bigint, text, uuid, text, int) is 'Stores what became of an attempt (seen, nothing, failed) together with the end of its job; CM002 when the lease was lost';

create function callmend_instructions_apply(org uuid, who text, project uuid, force boolean, why text) returns jsonb
language plpgsql as $$
declare
	n bigint;
begin
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null for update;
	if not found then
		return null;
	end if;
	if not exists (select from instructions i where i.project_id = project and i.current_version is not null) then
		perform callmend_conflict('the project has no instructions');
	end if;
	n := callmend_apply_wanted(project, jsonb_build_object('force', coalesce(force, false), 'by', who));
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'apply', 'project', project, jsonb_build_object('force', coalesce(force, false), 'jobs', n), why);
	return jsonb_build_object('success', true, 'jobs', n);
end
$$;
comment on function callmend_instructions_apply(uuid, text, uuid, boolean, text) is 'Asks once more that the provider''s assistants be brought to the instructions in force; force: whatever text they have now';

create function callmend_suggestion_apply(org uuid, who text, project uuid, suggestion uuid, force boolean, why text)
returns jsonb language plpgsql as $$
declare
	s suggestions := callmend_suggestion_held(org, project, suggestion);
	asked jsonb;
begin
	if s.id is null then
		return null;
	end if;
	if s.status not in ('accepted', 'applied') then
		perform callmend_conflict(format('only an accepted suggestion can be applied: it is %s', s.status));
	end if;
	if s.rolled_back_at is not null then
		perform callmend_conflict('the suggestion was rolled back: put its version in force again first');
	end if;
	perform callmend_suggestion_aim(s);
	asked := callmend_instructions_apply(org, who, project, force, why);
	return asked || jsonb_build_object('suggestion', (select callmend_suggestion(x) from suggestions x where x.id = s.id));
end
$$;
comment on function callmend_suggestion_apply(uuid, text, uuid, uuid, boolean, text) is 'Tries once more to bring an accepted suggestion to its sources, also those that came later; null: no such suggestion';

-- --- asking for suggestions ---

create function callmend_suggestion_generate(org uuid, who text, project uuid, issue uuid, why text) returns jsonb
language plpgsql as $$
declare
	which text;
begin
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null;
	if not found then
		return null;
	end if;
	if issue is not null and not exists (select from issues i where i.id = issue and i.project_id = project and i.status = 'open') then
		raise exception 'issueId: no open issue of this project';
	end if;
	which := case when issue is null then 'project:' || project else 'issue:' || issue end;
	perform callmend_job('suggest', which, org, jsonb_build_object('by', who), 0);
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'generate', 'project', project, jsonb_build_object('job', which), why);
	return (select jsonb_build_object('success', true, 'job', jsonb_build_object('kind', j.kind, 'key', j.key, 'state', j.state))
		from jobs j where j.kind = 'suggest' and j.key = which);
end
$$;
comment on function callmend_suggestion_generate(uuid, text, uuid, uuid, text) is 'Asks for suggestions for a project, or for one of its open issues; null: no such project';

-- --- taking it back (F3) ---

create function callmend_instructions_rollback(org uuid, who text, project uuid, version text, why text) returns jsonb
language plpgsql as $$
declare
	held instruction_versions;
	target text := version;
	made json;
	back jsonb;
begin
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null for update;
	select v.* into held from instructions i join instruction_versions v on v.id = i.current_version
		join projects p on p.id = i.project_id and p.org_id = org where i.project_id = project;
	target := coalesce(target, held.parent::text);
	if held.id is not null and target is null then
		perform callmend_conflict(format('version %s was made from no other: there is nothing to go back to', held.number));
	end if;
	if target in (held.id::text, held.number::text) then
		perform callmend_conflict(format('version %s is in force', held.number));
	end if;
	made := callmend_instruction_activate(org, who, project, target, why);
	if made is null then
		return null;
	end if;
	-- Those that the move has just taken back.
	update suggestions s set rolled_back_by = who, rolled_back_because = why
		where s.project_id = project and s.rolled_back_at = now() and s.rolled_back_by is null;
	select coalesce(jsonb_agg(s.id order by s.id), '[]') into back from suggestions s
		where s.project_id = project and s.rolled_back_at = now() and s.rolled_back_by = who;
	perform callmend_activity(org, project, 'instructions.rolled_back', who, 'instruction_version', made->>'id',
		format('Rolled back from version %s to version %s', held.number, made->>'number'),
		jsonb_build_object('from', held.id, 'to', made->'id', 'suggestions', back, 'reason', why));
	return jsonb_build_object('success', true, 'version', made, 'from', held.id, 'suggestions', back);
end
$$;
comment on function callmend_instructions_rollback(uuid, text, uuid, text, text) is 'Puts the version that the present one was made from (or the given one: id or number) in force again; null: no such project or version';

-- --- what the language model costs ---

create function callmend_model_reserve(org uuid, which text, dearest numeric, cap numeric, most bigint) returns boolean
language plpgsql as $$
declare
	today date := (now() at time zone 'UTC')::date;
	others model_usage;
begin
	insert into model_usage (org_id, day, model) values (org, today, which) on conflict do nothing;
	-- All rows of the day, so that two that ask at once cannot both get the last of it.
	perform from model_usage u where u.org_id = org and u.day = today order by u.model for update;
	select sum(u.calls)::bigint as calls, sum(u.cost) as cost into others.calls, others.cost
		from model_usage u where u.org_id = org and u.day = today;
	if others.calls >= most or others.cost + dearest > cap then
		return false;
	end if;
	update model_usage u set calls = u.calls + 1, cost = u.cost + dearest
		where u.org_id = org and u.day = today and u.model = which;
	return true;
end
$$;
comment on function callmend_model_reserve(uuid, text, numeric, numeric, bigint) is 'Books a request at the most it can cost, unless the organisation would pass its cap for the day; then false';

create function callmend_model_settle(org uuid, which text, on_day date, booked numeric, prompt bigint, completion bigint,
	really numeric) returns void language sql volatile as $$
	update model_usage u set cost = greatest(u.cost - booked + really, 0), prompt_tokens = u.prompt_tokens + prompt,
		completion_tokens = u.completion_tokens + completion
	where u.org_id = org and u.day = on_day and u.model = which
$$;
comment on function callmend_model_settle(uuid, text, date, numeric, bigint, bigint, numeric) is 'What a booked request has really cost';
