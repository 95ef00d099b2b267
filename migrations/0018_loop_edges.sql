-- Edges of the loop: what is asked for while its job runs, whole projects analysed again page by page, one order of locks, the
-- end of work whose holder died, and prompts at the provider that take the instructions as a variable.

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check
	check (kind in ('analyse', 'detect', 'suggest', 'apply', 'deliver', 'pull', 'reanalyse'));
alter table jobs add column next jsonb;
comment on column jobs.kind is 'analyse a call, detect in a project, suggest on demand, apply a suggestion to a source, deliver a webhook, pull calls of a source, reanalyse the calls of a project';
comment on column jobs.next is 'Payload that was asked for while it ran: that of its next run; null: not asked for meanwhile';
comment on column activities.kind is 'issue.opened issue.closed suggestion.created suggestion.accepted suggestion.rejected suggestion.applied suggestion.failed instructions.rolled_back mapping.proposed mapping.reviewed impact.measured pull.failed';
comment on column activities.object_kind is 'issue suggestion mapping instruction_version source';

-- --- asking for work ---

create function callmend_job_merged(which_kind text, was jsonb, what jsonb) returns jsonb language sql immutable as $$
	select case when was is null then what when what is null or which_kind = 'pull' then was
		else was || what || case when was @> '{"force": true}' then '{"force": true}' else '{}' end::jsonb end
$$;
comment on function callmend_job_merged(text, jsonb, jsonb) is 'The payload of a job not begun that is asked for again: the window of a pull holds on, and that a text may be overwritten';

-- A running job keeps its payload for as long as it takes, however many attempts that are.
create or replace function callmend_job(which_kind text, which text, org uuid, what jsonb, delay_ms bigint) returns void
language sql volatile as $$
	select pg_notify('callmend_job', which_kind) where delay_ms <= 0;
	insert into jobs as j (kind, key, org_id, payload, run_at)
	values (which_kind, which, org, coalesce(what, '{}'), now() + delay_ms * interval '1 millisecond')
	on conflict (kind, key) do update set
		wanted = j.wanted + 1,
		payload = case j.state when 'dead' then excluded.payload when 'running' then j.payload
			else callmend_job_merged(j.kind, j.payload, excluded.payload) end,
		next = case when j.state = 'running' then callmend_job_merged(j.kind, j.next, excluded.payload) end,
		state = case when j.state = 'running' then 'running' else 'queued' end,
		attempts = case when j.state = 'dead' then 0 else j.attempts end,
		error = case when j.state <> 'dead' then j.error end,
		-- What has failed waits for its time, however often it is asked for.
		run_at = case when j.state <> 'queued' then excluded.run_at when j.attempts > 0 then j.run_at
			else least(j.run_at, excluded.run_at) end,
		updated_at = now()
$$;

create or replace function callmend_job_done(which_kind text, which text, who text, seen bigint) returns boolean
language plpgsql as $$
declare
	j jobs := callmend_job_held(which_kind, which, who);
begin
	if j.wanted = seen then
		delete from jobs where kind = which_kind and key = which;
		return true;
	end if;
	update jobs set state = 'queued', owner = null, lease_until = null, attempts = 0, error = null, updated_at = now(),
		payload = coalesce(next, payload), next = null
		where kind = which_kind and key = which;
	return false;
end
$$;

create or replace function callmend_job_later(which_kind text, which text, who text, delay_ms bigint) returns void
language plpgsql as $$
begin
	perform callmend_job_held(which_kind, which, who);
	update jobs set state = 'queued', owner = null, lease_until = null, attempts = 0, error = null,
		payload = callmend_job_merged(kind, payload, next), next = null,
		run_at = now() + delay_ms * interval '1 millisecond', updated_at = now()
	where kind = which_kind and key = which;
end
$$;

-- --- giving up ---

create function callmend_job_project(which_kind text, which text) returns uuid language sql stable as $$
	select case when which_kind = 'analyse' then (select c.project_id from calls c where c.id = callmend_uuid(which))
		when which_kind in ('detect', 'reanalyse') then callmend_uuid(which)
		when which_kind in ('apply', 'pull') then (select s.project_id from sources s where s.id = callmend_uuid(which)) end
$$;
comment on function callmend_job_project(text, text) is 'The project a job is about, where its key tells; else null';

create function callmend_apply_dead(source uuid, why text) returns void language plpgsql as $$
declare
	version uuid := (select i.current_version from sources s join instructions i on i.project_id = s.project_id
		where s.id = source);
begin
	perform callmend_apply_failed(source, version, why);
	perform callmend_apply_given_up(source, version, why);
end
$$;
comment on function callmend_apply_dead(uuid, text) is 'Notes with the suggestions concerned, and tells people, that an assistant was not brought to the instructions in force';

create function callmend_pull_dead(j jobs, project uuid) returns void language plpgsql as $$
declare
	place text := coalesce((select s.name from sources s where s.id = callmend_uuid(j.key)), j.key);
begin
	perform callmend_notify(j.org_id, project, 'analysis_dead', 'Calls not pulled: ' || place,
		format('Pulling the calls of source %s was given up after %s attempts: %s. When the cause is gone: POST '
			'/api/v1/jobs/pull/%s/retry.', place, j.attempts, left(coalesce(j.error, 'unknown'), 500), j.key),
		'high', '/api/v1/jobs?state=dead', jsonb_build_object('kind', j.kind, 'key', j.key, 'projectId', project));
	perform callmend_activity(j.org_id, project, 'pull.failed', 'analyst', 'source', j.key, 'Calls not pulled: ' || place,
		j.payload || jsonb_build_object('error', j.error));
end
$$;
comment on function callmend_pull_dead(jobs, uuid) is 'Tells people that the calls of a source were not pulled: somebody asked for them and waits';

create or replace function callmend_job_dead(j jobs) returns void language plpgsql as $$
declare
	project uuid := callmend_job_project(j.kind, j.key);
begin
	if j.kind = 'apply' then
		perform callmend_apply_dead(callmend_uuid(j.key), coalesce(j.error, 'unknown'));
		return;
	elsif j.kind = 'pull' then
		perform callmend_pull_dead(j, project);
		return;
	elsif j.kind = 'deliver' then
		update webhook_deliveries d set state = 'dead', next_at = null, last_error = coalesce(j.error, 'unknown')
			where d.id = callmend_uuid(j.key) and d.state = 'pending';
	end if;
	if exists (select from notifications n where n.org_id = j.org_id
			and n.type = 'analysis_dead' and n.project_id is not distinct from project
			and n.metadata->>'kind' is distinct from 'pull' and n.created_at > now() - interval '1 hour') then
		return;
	end if;
	perform callmend_notify(j.org_id, project, 'analysis_dead', 'Work given up: ' || j.kind,
		format('%s %s was given up after %s attempts: %s. When the cause is gone: POST /api/v1/jobs/%s/%s/retry. '
			'Others given up within the hour are not announced, GET /api/v1/jobs?state=dead shows them all.',
			j.kind, j.key, j.attempts, left(coalesce(j.error, 'unknown'), 500), j.kind, j.key),
		'high', '/api/v1/jobs?state=dead', jsonb_build_object('kind', j.kind, 'key', j.key, 'projectId', project));
end
$$;
comment on function callmend_job_dead(jobs) is 'Tells people that work was given up: what somebody asked for each time, the rest once an hour for each project; a delivery is dead with its job';

create function callmend_job_back(j jobs, most int, why text) returns jobs language plpgsql as $$
declare
	given_up jobs;
	over boolean := j.attempts >= most;
begin
	update jobs q set error = left(why, 1000), owner = null, lease_until = null, next = null, updated_at = now(),
		state = case when over and j.next is null then 'dead' else 'queued' end,
		-- As if it had been asked for when it was dead already.
		attempts = case when over and j.next is not null then 0 else j.attempts end,
		payload = case when over then coalesce(j.next, j.payload) else callmend_job_merged(j.kind, j.payload, j.next) end
	where q.kind = j.kind and q.key = j.key returning * into given_up;
	if given_up.state = 'dead' then
		perform callmend_job_dead(given_up);
	end if;
	return given_up;
end
$$;
comment on function callmend_job_back(jobs, int, text) is 'A running job, locked, that did not end well: to be done again, or dead after so many attempts unless it was asked for meanwhile';

create or replace function callmend_job_failed(which_kind text, which text, who text, why text, most int) returns text
language plpgsql as $$
declare
	j jobs;
begin
	-- First the project, as whoever accepts: he holds it and asks for this job.
	perform from projects p where which_kind = 'apply' and p.id = callmend_job_project(which_kind, which) for no key update;
	select * into j from jobs q where q.kind = which_kind and q.key = which and q.state = 'running' and q.owner = who
		for update;
	if not found then
		return null;
	end if;
	j := callmend_job_back(j, most, why);
	update jobs q set run_at = now() + case when j.attempts = 0 then 0 else least(3600, 5 * 2 ^ least(j.attempts, 12)) end
		* interval '1 second' where q.kind = which_kind and q.key = which;
	return j.state;
end
$$;
comment on function callmend_job_failed(text, text, text, text, int) is 'Gives a job back with the reason, later and later; after so many attempts it is dead, unless it was asked for meanwhile. Null: the lease was lost';

create function callmend_job_abandoned(kinds text[]) returns void language plpgsql as $$
declare
	due jobs;
begin
	for due in
		select * from jobs j where j.state = 'running' and j.lease_until < now() and j.kind = any (kinds)
		for update skip locked
	loop
		-- Giving up an apply changes suggestions, for which the project comes first. Whoever has it may wait for this very job:
		-- the next claim does it.
		perform from projects p where due.kind = 'apply' and p.id = callmend_job_project(due.kind, due.key)
			for no key update skip locked;
		continue when not found and due.kind = 'apply' and callmend_job_project(due.kind, due.key) is not null;
		perform callmend_job_back(due, 10, format('whoever ran it (%s) ended before it was done', due.owner));
	end loop;
end
$$;
comment on function callmend_job_abandoned(text[]) is 'Gives back what was held by those whose lease is over; dead after ten attempts';

-- Jobs that were tried three times are taken one by one: what brings down its holder takes no others with it. Row by row by
-- their key, because a join would read the whole table once it is large.
create or replace function callmend_job_claim(kinds text[], who text, most int, lease_ms bigint) returns setof jobs
language plpgsql as $$
declare
	due record;
	doubtful boolean;
	room int;
	busy uuid[] := '{}';
begin
	perform callmend_job_abandoned(kinds);
	doubtful := most > 1 and exists (select from jobs j where j.kind = any (kinds) and j.state = 'queued'
		and j.attempts >= 3 and j.run_at <= now());
	room := case when doubtful then 1 else most end;
	if 'deliver' = any (kinds) then
		-- One after the other: each sees what the one before has taken.
		perform pg_advisory_xact_lock(hashtext('callmend_deliver_claim'));
		busy := callmend_endpoints_busy();
	end if;
	for due in
		select first.kind, first.key from unnest(kinds) wanted_kind, lateral (
			select * from jobs j where j.kind = wanted_kind and j.state = 'queued' and j.run_at <= now()
				and (most = 1 or (j.attempts >= 3) = doubtful)
				and (j.kind <> 'deliver' or not callmend_job_waits(j.kind, j.key, busy))
			order by j.run_at limit room for update skip locked) first
		order by first.run_at limit room
	loop
		return query update jobs j set state = 'running', owner = who,
			lease_until = now() + lease_ms * interval '1 millisecond', attempts = j.attempts + 1, updated_at = now()
		where j.kind = due.kind and j.key = due.key returning j.*;
	end loop;
end
$$;

-- --- detection: the project first, as whoever dismisses an issue ---

create or replace function callmend_heal_detected(who text, which text, seen bigint, result jsonb) returns jsonb
language plpgsql as $$
declare
	project uuid := callmend_uuid(which);
	org uuid := (result->>'org')::uuid;
begin
	perform from projects p where p.id = project for no key update;
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

-- --- prompts at the provider that take the instructions as a variable ---

alter table suggestion_sources drop constraint suggestion_sources_how_check;
alter table suggestion_sources add constraint suggestion_sources_how_check
	check (how in ('assistant-request', 'patch', 'variable'));
comment on column suggestion_sources.how is 'In the next assistant-request, by PATCH of the provider''s assistant, or in the next assistant-request as the variable that the provider''s prompt was seen to take';

create or replace function callmend_apply_load(source uuid) returns jsonb language sql stable as $$
	select jsonb_build_object('org_id', s.org_id, 'project_id', s.project_id, 'name', s.name, 'api_base', s.api_base,
		'mode', s.assistant_mode, 'assistant_id', s.assistant_id, 'private_key', s.private_key, 'version', v.id,
		'text', v.text,
		'known', (select coalesce(jsonb_agg(encode(sha256(convert_to(btrim(k.text, E' \t\r\n'), 'UTF8')), 'hex')), '[]')
			from (select * from instruction_versions i where i.project_id = s.project_id
				order by i.number desc limit 500) k))
	from sources s
	join instructions i on i.project_id = s.project_id
	join instruction_versions v on v.id = i.current_version
	join projects p on p.id = s.project_id and p.archived_at is null
	where s.id = source and s.archived_at is null and callmend_patched(s)
$$;

create function callmend_apply_by_variable(source uuid, was text, how text) returns void language plpgsql as $$
declare
	s uuid;
begin
	for s in
		update suggestion_sources u set how = callmend_apply_by_variable.how, error = null, updated_at = now()
			where u.source_id = source and u.how = was and u.seen_at is null returning u.suggestion_id
	loop
		update suggestions x set apply_error = callmend_suggestion_errors(s) where x.id = s;
	end loop;
end
$$;
comment on function callmend_apply_by_variable(uuid, text, text) is 'What proves that a source serves the suggestions not yet seen there: another way than it was';

create or replace function callmend_apply_store(source uuid, who text, seen bigint, verdict text, version uuid, why text, most int)
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
	elsif verdict = 'variable' then
		perform callmend_apply_by_variable(source, 'patch', 'variable');
	elsif verdict = 'failed' then
		perform callmend_apply_by_variable(source, 'variable', 'patch');
		state := callmend_job_failed('apply', source::text, who, why, most);
		if state <> 'dead' then
			perform callmend_apply_failed(source, version, why);
		end if;
	end if;
	if verdict <> 'failed' then
		perform callmend_job_done('apply', source::text, who, seen);
	end if;
	return state;
end
$$;
comment on function callmend_apply_store(uuid, text, bigint, text, uuid, text, int) is 'Stores what became of an attempt (seen, variable, nothing, failed) together with the end of its job; CM002 when the lease was lost';

create function callmend_served_as_variable(project uuid, version uuid, source uuid, at timestamptz) returns void
language plpgsql as $$
begin
	perform callmend_served(project, version, source, at)
		where version is not null and exists (select from callmend_suggestions_awaited(project, source) s
			join suggestion_sources u on u.suggestion_id = s.id and u.source_id = source and u.how = 'variable');
end
$$;
comment on function callmend_served_as_variable(uuid, uuid, uuid, timestamptz) is 'A source was answered with a version as a variable: served, when the provider''s prompt was seen to take it';

-- --- asking for the calls of a source ---

create function callmend_source_pull(org uuid, who text, source uuid, what jsonb, why text) returns jsonb language plpgsql as $$
declare
	s sources;
begin
	-- Two that ask at once: one after the other.
	select * into s from sources x where x.id = source and x.org_id = org and x.archived_at is null for no key update;
	if not found then
		return null;
	end if;
	if s.private_key is null then
		perform callmend_conflict('the source has no private key');
	end if;
	if exists (select from jobs j where j.kind = 'pull' and j.key = source::text and j.state <> 'dead') then
		perform callmend_conflict('calls of the source are being pulled, or wait for it: ask again when that is done');
	end if;
	perform callmend_job('pull', source::text, org, what, 0);
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'pull', 'source', source::text, what, why);
	return jsonb_build_object('kind', 'pull', 'key', source, 'payload', what);
end
$$;
comment on function callmend_source_pull(uuid, text, uuid, jsonb, text) is 'Asks for the finished calls of a source from the provider''s API; CM001 while that is under way; null: no such source';

-- --- analysing a project's calls again (jobs of kind reanalyse; the key is the project) ---

create function callmend_reanalyse(org uuid, who text, project uuid, since timestamptz, why text) returns jsonb
language plpgsql as $$
declare
	n bigint;
	whole boolean := since is null;
	earliest timestamptz := since;
	under_way jobs;
begin
	perform from projects p where p.id = project and p.org_id = org for no key update;
	if not found then
		return null;
	end if;
	select count(*) into n from (select from calls c where c.project_id = project and not c.live
		and c.started_at >= coalesce(since, '-infinity') limit 1000000) x;
	if n > 0 then
		select * into under_way from jobs j where j.kind = 'reanalyse' and j.key = project::text and j.state <> 'dead' for update;
		-- It begins anew, from the newest call on, and goes back as far as anybody wants.
		if found then
			under_way.payload := coalesce(under_way.next, under_way.payload);
			whole := whole or under_way.payload->>'since' is null;
			earliest := least(since, (under_way.payload->>'since')::timestamptz);
		end if;
		perform callmend_job('reanalyse', project::text, org, jsonb_build_object(
			'since', case when not whole then earliest end, 'after', null), 0);
	end if;
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'reanalyse', 'project', project::text, jsonb_build_object('since', callmend_time(since), 'jobs', n), why);
	return jsonb_build_object('jobs', n);
end
$$;
comment on function callmend_reanalyse(uuid, text, uuid, timestamptz, text) is 'Asks that all finished calls of a project since a time (null: all) be analysed again; how many these are now, counted up to a million; null: no such project';

create function callmend_reanalyse_page(which text, who text, seen bigint, most int) returns bigint language plpgsql as $$
declare
	j jobs := callmend_job_held('reanalyse', which, who);
	last jsonb;
	n bigint := 0;
begin
	-- Not before the last page is nearly done: calls that have just ended wait behind one page, not behind all.
	if (select count(*) from (select from jobs q where q.kind = 'analyse' and q.state = 'queued' and q.run_at <= now()
			limit most) x) >= most then
		perform callmend_job_later('reanalyse', which, who, 0);
		return n;
	end if;
	with page as materialized (
		select c.id, c.org_id, c.started_at from calls c
		where c.project_id = which::uuid and not c.live
			and c.started_at >= coalesce((j.payload->>'since')::timestamptz, '-infinity')
			and (c.started_at, c.id) < (coalesce((j.payload->'after'->>'at')::timestamptz, 'infinity'),
				coalesce((j.payload->'after'->>'id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
		order by c.started_at desc, c.id desc limit most
	), asked as materialized (
		-- In the order of whoever else asks for several.
		select callmend_job('analyse', p.id::text, p.org_id, null, 0) from (select * from page order by id) p
	)
	select (select count(*) from asked), (select jsonb_build_object('at', p.started_at, 'id', p.id) from page p
		order by p.started_at, p.id limit 1) into n, last;
	if n < most then
		perform callmend_job_done('reanalyse', which, who, seen);
	else
		update jobs q set payload = q.payload || jsonb_build_object('after', last)
			where q.kind = 'reanalyse' and q.key = which;
		perform callmend_job_later('reanalyse', which, who, 0);
	end if;
	return n;
end
$$;
comment on function callmend_reanalyse_page(text, text, bigint, int) is 'Asks for the analysis of the next calls of a project, and gives the job back to be gone on with; ends it behind the last. How many';
