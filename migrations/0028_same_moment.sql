-- What two do at the same moment: whoever waits for the other decides afterwards, by what is there then. A statement sees what was
-- there when it began, so each lock is a statement of its own, before the look.

-- --- words of a call: its row first ---

-- Of two insights the second's words took the place of the first's, and came beside those that an import was adding. Here and not
-- in callmend_insight_spoken(): all who have a call's row and then want its insights would wait for who has them the other way round.
create or replace function callmend_insight_put(org uuid, call uuid, what text, doc jsonb, told timestamptz) returns void language plpgsql as $$
declare
	changed boolean;
begin
	perform from calls c where c.id = call for no key update;
	insert into call_insights as i (call_id, record_id, kind, org_id, data, at)
	values (call, coalesce(doc->>'record_id', ''), what, org, doc, told)
	on conflict (call_id, record_id, kind) do update set data = excluded.data, at = excluded.at, updated_at = now()
		where i.data is distinct from excluded.data
	returning true into changed;
	if changed and what = 'transcript' then
		perform callmend_insight_spoken(call);
	end if;
end
$$;

-- The call before the job: so does the projector, whose ended calls ask for this job.
create or replace function callmend_follow_up_store(which text, who text, call uuid, doc jsonb) returns void language plpgsql as $$
declare
	told boolean := coalesce(jsonb_typeof(doc->'words') = 'array' and doc->'words' <> '[]', false);
begin
	perform from calls c where c.id = call for no key update;
	perform callmend_job_held('followup', which, who);
	if jsonb_typeof(doc->'log') = 'object' then
		perform callmend_log_put(call, doc->'log');
	end if;
	perform callmend_insight_put(c.org_id, c.id, i->>'kind', i->'data', coalesce((i->>'at')::timestamptz, now()))
		from calls c, jsonb_array_elements(coalesce(doc->'insights', '[]')) i where c.id = call;
	if told and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, doc->'words');
	end if;
	update call_follow_ups f set state = doc->>'state', tries = f.tries + 1, error = left(doc->>'error', 1000), spoken = f.spoken or told,
		due_at = now() + coalesce((doc->>'delay_ms')::bigint, 0) * interval '1 millisecond', updated_at = now()
	where f.call_id = call;
end
$$;

-- --- a project that is being put away ---

-- Who puts something into a project holds it until then, or finds it gone.
create or replace function callmend_project_of(org uuid, project text) returns uuid language plpgsql volatile as $$
declare
	found_id uuid;
begin
	select p.id into found_id from projects p
		where p.id = callmend_uuid(project) and p.org_id = org and p.archived_at is null for key share;
	if found_id is null then
		raise exception 'project_id: no such project';
	end if;
	return found_id;
end
$$;

create or replace function callmend_only_project(org uuid, given text) returns uuid language plpgsql volatile as $$
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
	return callmend_project_of(org, those[1]::text);
end
$$;

-- --- partitions ---

-- A name that was looked up in vain is remembered within the statement, and waiting for the lock does not change that: the second
-- look is a query.
create or replace function callmend_partition(which date) returns boolean language plpgsql as $$
declare
	name text := 'call_events_' || to_char(which, 'YYYYMMDD');
begin
	if to_regclass(name) is not null then
		return false;
	end if;
	-- Made apart and attached: readers of the parent are not held up as they would be by CREATE ... PARTITION OF.
	perform pg_advisory_xact_lock(hashtext('callmend_partition'));
	if exists (select from pg_class c join pg_class e on e.relnamespace = c.relnamespace
			where e.oid = 'call_events'::regclass and c.relname = name) then
		return false;
	end if;
	execute format('create table %I (like call_events including defaults including constraints including comments)', name);
	execute format('comment on table %I is %L', name, 'Events of calls that arrived on ' || which);
	execute format('alter table call_events attach partition %I for values from (%L) to (%L)', name, which, which + 1);
	return true;
end
$$;

create or replace function callmend_partitions_drop(before date) returns int language plpgsql as $$
declare
	name text;
	n int := 0;
begin
	perform pg_advisory_xact_lock(hashtext('callmend_partition'));
	for name in
		select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'call_events'::regclass and c.relname ~ '^call_events_[0-9]{8}$'
			and to_date(right(c.relname, 8), 'YYYYMMDD') < before
	loop
		execute format('drop table if exists %I', name);
		n := n + 1;
	end loop;
	return n;
end
$$;

-- --- deliveries ---

-- Asked for again while it was tried for the last time: that is another delivery's beginning, and not given up. The endpoint is
-- locked so that others may still refer to it: of two that are told 410, each has something to deliver to the other's.
create or replace function callmend_delivery_done(delivery uuid, who text, seen bigint, verdict text, http_status int, why text,
	pause_ms bigint) returns text language plpgsql as $$
declare
	endpoint uuid;
	tried int := case when verdict in ('dropped', 'settled') then 0 else 1 end;
	ended boolean;
begin
	if verdict = 'retry' then
		perform callmend_job_later('deliver', delivery::text, who, pause_ms);
	else
		ended := callmend_job_done('deliver', delivery::text, who, seen);
	end if;
	if verdict in ('dead', 'dropped') and not ended then
		verdict := 'again';
	end if;
	if verdict = 'settled' then
		return verdict;
	end if;
	-- Two that are given up at the same moment see each other.
	if verdict in ('dead', 'gone') then
		perform from webhook_endpoints e where e.id = (select d.endpoint_id from webhook_deliveries d where d.id = delivery)
			for no key update;
	end if;
	update webhook_deliveries d set attempts = case verdict when 'again' then 0 else d.attempts + tried end,
		state = case when verdict = 'delivered' then 'delivered' when verdict in ('retry', 'again') then 'pending' else 'dead' end,
		next_at = case verdict when 'retry' then now() + pause_ms * interval '1 millisecond' when 'again' then now() end,
		last_status = case when tried = 1 then http_status else d.last_status end,
		last_error = why, delivered_at = case when verdict = 'delivered' then now() end
	where d.id = delivery returning d.endpoint_id into endpoint;
	if verdict = 'gone' then
		perform callmend_webhook_disable(endpoint, 'the receiver answered 410 Gone');
	elsif verdict = 'dead' and 5 = (select count(*) filter (where last.state = 'dead') from (
			select d.state from webhook_deliveries d where d.endpoint_id = endpoint and d.state <> 'pending'
			order by d.created_at desc, d.id desc limit 5) last) then
		perform callmend_webhook_disable(endpoint, 'its last 5 deliveries were given up, the last because: '
			|| coalesce(why, 'unknown'));
	end if;
	return verdict;
end
$$;

-- --- work given up ---

-- Two at the same moment are told once.
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
	perform pg_advisory_xact_lock(hashtext('callmend_job_dead'));
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
