-- What a project expects of its calls, what is known of people, and what finished calls were understood to be.

alter table projects
	add column fields jsonb not null default '[]' check (jsonb_typeof(fields) = 'array'),
	add column success_rule jsonb not null default '{}' check (jsonb_typeof(success_rule) = 'object'),
	add column rules jsonb not null default '{}' check (jsonb_typeof(rules) = 'object'),
	add column context jsonb not null default '{}' check (jsonb_typeof(context) = 'object'),
	add column tags jsonb not null default '[]' check (jsonb_typeof(tags) = 'array'),
	add column thresholds jsonb not null default '{}' check (jsonb_typeof(thresholds) = 'object'),
	add column minutes_per_success numeric not null default 3 check (minutes_per_success >= 0);
comment on column projects.fields is 'What its calls should capture (D1): [{name, label, type, ...}], callmend/fields.h';
comment on column projects.success_rule is 'When a finished call is a success (docs/understanding.md); empty: the default order';
comment on column projects.rules is 'Interventions by rule (A9): {name: {enabled, ...}}; all off by default';
comment on column projects.context is 'What is known of the caller enters the call (A8): {inject, lookup: {url, headers, timeout_ms}}';
comment on column projects.tags is 'Tags of its own besides the standard ones (D2): [{tag, category, phrases}]';
comment on column projects.thresholds is 'Detection thresholds that differ from the defaults, by name (C1)';
comment on column projects.minutes_per_success is 'What a success saves, for the ROI text (C4)';

alter table tool_definitions
	add column search_argument text not null default '';
comment on column tool_definitions.search_argument is 'The argument that is a search term (B2): failing searches are kept and mappings rewrite it; empty: no search tool';

-- The final report's structured part is kept with the call: events are dropped after their retention.
alter table calls
	add column report jsonb,
	add column imported boolean not null default false;
comment on column calls.report is 'Of the provider''s final report: {success_evaluation, structured_data, structured_outputs}';
comment on column calls.imported is 'Brought in by an import, not followed live';

alter table tool_calls
	add column mapping_id uuid,
	add column arguments_before jsonb;
create index tool_calls_mapping on tool_calls (mapping_id) where mapping_id is not null;
comment on column tool_calls.mapping_id is 'The search mapping that rewrote its arguments';
comment on column tool_calls.arguments_before is 'The arguments as the model gave them, when a mapping rewrote them';

create table contacts (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	number text not null check (number <> ''),
	name text,
	fields jsonb not null default '{}' check (jsonb_typeof(fields) = 'object'),
	calls bigint not null default 0,
	first_seen timestamptz not null,
	last_seen timestamptz not null,
	updated_at timestamptz not null default now(),
	unique (org_id, number)
);
comment on table contacts is 'People who call or are called, by number; updated while a call runs (A8)';
comment on column contacts.id is 'Identity';
comment on column contacts.org_id is 'Organisation';
comment on column contacts.number is 'Telephone number, E.164 where the provider gives it so';
comment on column contacts.name is 'Name, when known';
comment on column contacts.fields is 'What was learned: {field: {value, project_id, call_id, seq, at, confidence}}, the latest of each';
comment on column contacts.calls is 'How many calls';
comment on column contacts.first_seen is 'Start of the first call';
comment on column contacts.last_seen is 'Start of the latest call';
comment on column contacts.updated_at is 'When the row was last written';

create table context_items (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	contact_number text,
	conversation_id uuid,
	kind text not null check (kind in ('issue', 'order', 'note')),
	title text not null check (title <> '' and length(title) <= 200),
	text text not null default '' check (length(text) <= 2000),
	data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
	created_by text not null,
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	closed_at timestamptz,
	check (contact_number is not null or conversation_id is not null)
);
create index context_items_contact on context_items (org_id, contact_number, created_at desc) where closed_at is null;
create index context_items_conversation on context_items (conversation_id) where closed_at is null;
comment on table context_items is 'What the assistant should know of a contact or conversation: open issues, problem orders (A8)';
comment on column context_items.id is 'Identity';
comment on column context_items.org_id is 'Organisation';
comment on column context_items.contact_number is 'Whom it is about, by number';
comment on column context_items.conversation_id is 'Or which conversation';
comment on column context_items.kind is 'issue, order or note';
comment on column context_items.title is 'One line';
comment on column context_items.text is 'What the assistant is told';
comment on column context_items.data is 'Anything else, for the poster';
comment on column context_items.created_by is 'Actor';
comment on column context_items.created_at is 'When it was posted';
comment on column context_items.expires_at is 'Until when it holds; null: until closed';
comment on column context_items.closed_at is 'When it was closed; null: open';

-- --- work for analysts ---

create table jobs (
	kind text not null check (kind in ('analyse', 'detect', 'suggest', 'apply', 'deliver', 'pull')),
	key text not null,
	org_id uuid not null,
	payload jsonb not null default '{}',
	wanted bigint not null default 1,
	state text not null default 'queued' check (state in ('queued', 'running', 'dead')),
	attempts int not null default 0,
	run_at timestamptz not null default now(),
	lease_until timestamptz,
	owner text,
	error text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	primary key (kind, key)
);
create index jobs_due on jobs (kind, run_at) where state = 'queued';
create index jobs_doubtful on jobs (kind, run_at) where state = 'queued' and attempts >= 3;
create index jobs_lease on jobs (lease_until) where state = 'running';
create index jobs_shown on jobs (org_id, updated_at desc);
comment on table jobs is 'Work to be done by any analyst, once in effect: claimed with a lease, deleted in the transaction that stores the result';
comment on column jobs.kind is 'analyse a call, detect in a project, suggest on demand, apply a suggestion to a source, deliver a webhook, pull calls of a source';
comment on column jobs.key is 'What it is about: call id, project id ...; one job each';
comment on column jobs.org_id is 'Organisation';
comment on column jobs.payload is 'Members by kind';
comment on column jobs.wanted is 'Grows when it is asked for again; a job asked for while it ran runs once more';
comment on column jobs.state is 'queued, running or dead (given up; error says why)';
comment on column jobs.attempts is 'Claims that did not end well';
comment on column jobs.run_at is 'Not before';
comment on column jobs.lease_until is 'A running job whose lease is over is anybody''s';
comment on column jobs.owner is 'Who runs it: host, process and claim';
comment on column jobs.error is 'Why the last attempt failed';
comment on column jobs.created_at is 'When it was first asked for';
comment on column jobs.updated_at is 'When the row was last written';

create function callmend_job(which_kind text, which text, org uuid, what jsonb, delay_ms bigint) returns void
language sql volatile as $$
	select pg_notify('callmend_job', which_kind) where delay_ms <= 0;
	insert into jobs as j (kind, key, org_id, payload, run_at)
	values (which_kind, which, org, coalesce(what, '{}'), now() + delay_ms * interval '1 millisecond')
	on conflict (kind, key) do update set
		wanted = j.wanted + 1,
		-- What was asked for and not begun holds on: the window of a pull, and that a text may be overwritten.
		payload = case when j.state <> 'queued' then excluded.payload when j.kind = 'pull' then j.payload
			else j.payload || excluded.payload
				|| case when j.payload @> '{"force": true}' then '{"force": true}' else '{}' end::jsonb end,
		state = case when j.state = 'running' then 'running' else 'queued' end,
		attempts = case when j.state = 'dead' then 0 else j.attempts end,
		error = case when j.state <> 'dead' then j.error end,
		-- What has failed waits for its time, however often it is asked for.
		run_at = case when j.state <> 'queued' then excluded.run_at when j.attempts > 0 then j.run_at
			else least(j.run_at, excluded.run_at) end,
		updated_at = now()
$$;
comment on function callmend_job(text, text, uuid, jsonb, bigint) is 'Asks for a job; once more when it runs just now, from anew when it is dead, not before its time when it has failed. Those due at once wake analysts that wait';

-- A call is analysed when it has ended, and again when a later message changed what is known of it.
create function callmend_call_finished() returns trigger language plpgsql as $$
begin
	perform callmend_job('analyse', new.id::text, new.org_id, null, case when new.imported then 0 else 2000 end);
	return null;
end
$$;
comment on function callmend_call_finished() is 'Asks for the analysis of a call that has ended';
create trigger calls_finished_new after insert on calls
	for each row when (not new.live and new.project_id is not null) execute function callmend_call_finished();
create trigger calls_finished after update of live, last_seq on calls
	for each row when (not new.live and new.project_id is not null
		and (old.live or old.last_seq <> new.last_seq)) execute function callmend_call_finished();

-- --- what was understood ---

create table call_outcomes (
	call_id uuid primary key,
	org_id uuid not null,
	outcome text not null check (outcome in ('success', 'failure', 'unknown')),
	label text,
	value numeric,
	reason text,
	actor text not null,
	at timestamptz not null default now()
);
comment on table call_outcomes is 'Outcomes posted later by API: they beat the rule';
comment on column call_outcomes.call_id is 'Call';
comment on column call_outcomes.org_id is 'Organisation';
comment on column call_outcomes.outcome is 'success, failure or unknown';
comment on column call_outcomes.label is 'In the words of the business: booked, lost ...';
comment on column call_outcomes.value is 'What it was worth';
comment on column call_outcomes.reason is 'Why';
comment on column call_outcomes.actor is 'Who said so';
comment on column call_outcomes.at is 'When';

create table call_analyses (
	call_id uuid primary key,
	org_id uuid not null,
	project_id uuid not null,
	instruction_version uuid,
	rules_version text not null,
	last_seq bigint not null,
	caller text,
	started_at timestamptz not null,
	duration_ms bigint,
	outcome text not null check (outcome in ('success', 'failure', 'unknown')),
	outcome_by text not null,
	ended_class text,
	cause_class text not null check (cause_class in ('none', 'instructions', 'tool', 'provider', 'telephony', 'caller')),
	eligible boolean not null,
	failure_point text,
	fields_wanted int not null default 0,
	fields_captured int not null default 0,
	tool_calls int not null default 0,
	tool_failures int not null default 0,
	frustrated boolean not null default false,
	unanswered int not null default 0,
	doc jsonb not null,
	analysed_at timestamptz not null default now()
);
create index call_analyses_project on call_analyses (project_id, instruction_version, started_at desc);
create index call_analyses_org on call_analyses (org_id, started_at desc);
comment on table call_analyses is 'What a finished call was understood to be; derived, and made anew on demand';
comment on column call_analyses.call_id is 'Call';
comment on column call_analyses.org_id is 'Organisation';
comment on column call_analyses.project_id is 'Project';
comment on column call_analyses.instruction_version is 'The instructions it was run with: those whose text the assistant is seen to have had, else those in force';
comment on column call_analyses.rules_version is 'Version of the program''s rules and hash of the project''s settings that gave this';
comment on column call_analyses.last_seq is 'State of the call that was analysed';
comment on column call_analyses.caller is 'Number of the caller, or the call id when unknown: what counts as one independent caller';
comment on column call_analyses.started_at is 'Start of the call';
comment on column call_analyses.duration_ms is 'Length of the call';
comment on column call_analyses.outcome is 'success, failure or unknown';
comment on column call_analyses.outcome_by is 'What decided: posted, rule, evaluation, fields, reason, none';
comment on column call_analyses.ended_class is 'customer assistant provider telephony limit other lost';
comment on column call_analyses.cause_class is 'To what a failure is put down; none for a success';
comment on column call_analyses.eligible is 'Counts for or against the instructions: a conversation took place, and neither telephony, provider nor a broken tool decided it';
comment on column call_analyses.failure_point is 'Where a failed call failed, as a key: "field:email", "tool:book", "question", "start" ...';
comment on column call_analyses.fields_wanted is 'Required fields';
comment on column call_analyses.fields_captured is 'Required fields that were captured';
comment on column call_analyses.tool_calls is 'Tool calls';
comment on column call_analyses.tool_failures is 'Tool calls that failed';
comment on column call_analyses.frustrated is 'A frustration signal was raised';
comment on column call_analyses.unanswered is 'Questions left without an answer';
comment on column call_analyses.doc is 'The whole analysis with its evidence (docs/understanding.md)';
comment on column call_analyses.analysed_at is 'When';

create table captured_values (
	call_id uuid not null,
	field text not null,
	org_id uuid not null,
	project_id uuid not null,
	required boolean not null,
	state text not null check (state in ('captured', 'never_asked', 'asked_not_captured', 'refused')),
	value text,
	confidence numeric,
	how text,
	seq bigint,
	offset_ms bigint,
	passage text,
	primary key (call_id, field)
);
create index captured_values_project on captured_values (project_id, field, state);
comment on table captured_values is 'Field by field: captured, or why not, with the passage that shows it (D1)';
comment on column captured_values.call_id is 'Call';
comment on column captured_values.field is 'Field of the project';
comment on column captured_values.org_id is 'Organisation';
comment on column captured_values.project_id is 'Project';
comment on column captured_values.required is 'Whether the project requires it';
comment on column captured_values.state is 'captured, never_asked, asked_not_captured or refused';
comment on column captured_values.value is 'Normalised value';
comment on column captured_values.confidence is '0 to 1';
comment on column captured_values.how is 'report, tool, answer or mention';
comment on column captured_values.seq is 'Event of the passage';
comment on column captured_values.offset_ms is 'Where in the call';
comment on column captured_values.passage is 'The words that show it: the answer, the question, or the refusal';

create table call_tags (
	call_id uuid not null,
	category text not null,
	tag text not null,
	org_id uuid not null,
	project_id uuid not null,
	confidence numeric not null check (confidence between 0 and 1),
	seq bigint,
	offset_ms bigint,
	passage text,
	primary key (call_id, category, tag)
);
create index call_tags_tag on call_tags (org_id, category, tag);
comment on table call_tags is 'Tags with confidence (D2)';
comment on column call_tags.call_id is 'Call';
comment on column call_tags.category is 'intent budget objection occasion behaviour outcome, or the project''s own';
comment on column call_tags.tag is 'Tag';
comment on column call_tags.org_id is 'Organisation';
comment on column call_tags.project_id is 'Project';
comment on column call_tags.confidence is '0 to 1';
comment on column call_tags.seq is 'Event of the passage';
comment on column call_tags.offset_ms is 'Where in the call';
comment on column call_tags.passage is 'The words that show it';

create table search_failures (
	tool_call_id uuid primary key,
	org_id uuid not null,
	project_id uuid not null,
	call_id uuid not null,
	tool text not null,
	term text not null,
	query text not null,
	context text,
	empty boolean not null,
	at timestamptz not null
);
create index search_failures_term on search_failures (project_id, tool, term, at);
comment on table search_failures is 'Searches that failed or found nothing, with query and context (B2)';
comment on column search_failures.tool_call_id is 'Tool call';
comment on column search_failures.org_id is 'Organisation';
comment on column search_failures.project_id is 'Project';
comment on column search_failures.call_id is 'Call';
comment on column search_failures.tool is 'Tool';
comment on column search_failures.term is 'The query, normalised as mappings are: callmend_term()';
comment on column search_failures.query is 'The query as the model gave it';
comment on column search_failures.context is 'What the caller said before';
comment on column search_failures.empty is 'Answered, and nothing was found';
comment on column search_failures.at is 'When';

create function callmend_term(t text) returns text language sql immutable as $$
	select left(trim(regexp_replace(lower(t), '[[:space:][:punct:]]+', ' ', 'g')), 200)
$$;
comment on function callmend_term(text) is 'A search term as it is compared: lower case, words separated by one space. The same as span_term() in callmend/mapping.h';

create table search_term_mappings (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	project_id uuid not null references projects,
	search_term text not null check (search_term <> ''),
	mapped_terms jsonb not null check (jsonb_typeof(mapped_terms) = 'array' and jsonb_array_length(mapped_terms) between 1 and 20),
	source text not null check (source in ('manual', 'auto_learned', 'ai_suggested')),
	learned_from_call uuid,
	learned_from_tool_call uuid,
	confidence numeric not null default 0.5 check (confidence between 0 and 1),
	times_used bigint not null default 0,
	times_successful bigint not null default 0,
	active boolean not null default false,
	reviewed_by text,
	reviewed_at timestamptz,
	approved boolean,
	created_by text not null,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	check (not active or (reviewed_at is not null and approved))
);
create unique index search_term_mappings_active on search_term_mappings (project_id, search_term) where active;
create index search_term_mappings_org on search_term_mappings (org_id, created_at desc);
comment on table search_term_mappings is 'Search term to mapped terms (B3); never active before a person has reviewed it';
comment on column search_term_mappings.id is 'Identity';
comment on column search_term_mappings.org_id is 'Organisation';
comment on column search_term_mappings.project_id is 'Project';
comment on column search_term_mappings.search_term is 'Normalised by callmend_term()';
comment on column search_term_mappings.mapped_terms is 'Terms to search instead; the first is used in the tool call';
comment on column search_term_mappings.source is 'manual, auto_learned or ai_suggested';
comment on column search_term_mappings.learned_from_call is 'Call it was learned from';
comment on column search_term_mappings.learned_from_tool_call is 'Tool call that a person put right';
comment on column search_term_mappings.confidence is '0 to 1, 0.5 at first';
comment on column search_term_mappings.times_used is 'Tool calls it rewrote';
comment on column search_term_mappings.times_successful is 'Those of them that succeeded';
comment on column search_term_mappings.active is 'In use';
comment on column search_term_mappings.reviewed_by is 'Who reviewed it';
comment on column search_term_mappings.reviewed_at is 'When';
comment on column search_term_mappings.approved is 'What the review said';
comment on column search_term_mappings.created_by is 'Actor';
comment on column search_term_mappings.created_at is 'When it was proposed';
comment on column search_term_mappings.updated_at is 'When the row was last written';
create trigger search_term_mappings_directory
	after insert or delete or update of search_term, mapped_terms, active on search_term_mappings
	for each statement execute function callmend_directory_changed();

create table imports (
	id uuid primary key,
	org_id uuid not null,
	source_id uuid not null,
	name text not null,
	format text not null,
	records bigint not null default 0,
	imported bigint not null default 0,
	duplicates bigint not null default 0,
	bad bigint not null default 0,
	mistakes jsonb not null default '[]',
	state text not null default 'running' check (state in ('running', 'done', 'failed')),
	started_at timestamptz not null default now(),
	finished_at timestamptz
);
comment on table imports is 'What was brought in from files and provider APIs (D9)';
comment on column imports.id is 'UUID version 5 of source and content: the journal id of its position, so that it can go on where it stopped';
comment on column imports.org_id is 'Organisation';
comment on column imports.source_id is 'Source the calls are put under';
comment on column imports.name is 'File name or provider';
comment on column imports.format is 'vapi, openai, transcript or pull';
comment on column imports.records is 'Records read so far';
comment on column imports.imported is 'Calls brought in';
comment on column imports.duplicates is 'Calls that were there already';
comment on column imports.bad is 'Records that could not be read';
comment on column imports.mistakes is 'The first 100: [{record, line, id, error}]';
comment on column imports.state is 'running, done or failed';
comment on column imports.started_at is 'When';
comment on column imports.finished_at is 'When';

-- --- claiming work (after its tables, because results refer to them) ---

create function callmend_job_dead(j jobs) returns void language plpgsql as $$
declare
	project uuid := case when j.kind = 'analyse' then (select c.project_id from calls c where c.id = callmend_uuid(j.key))
		when j.kind = 'detect' then callmend_uuid(j.key)
		when j.kind in ('apply', 'pull') then (select s.project_id from sources s where s.id = callmend_uuid(j.key)) end;
begin
	if j.kind = 'deliver' then
		update webhook_deliveries d set state = 'dead', next_at = null, last_error = coalesce(j.error, 'unknown')
			where d.id = callmend_uuid(j.key) and d.state = 'pending';
	end if;
	if exists (select from notifications n where n.org_id = j.org_id
			and n.type = 'analysis_dead' and n.project_id is not distinct from project
			and n.created_at > now() - interval '1 hour') then
		return;
	end if;
	perform callmend_notify(j.org_id, project, 'analysis_dead', 'Work given up: ' || j.kind,
		format('%s %s was given up after %s attempts: %s. When the cause is gone: POST /api/v1/jobs/%s/%s/retry. '
			'Others given up within the hour are not announced, GET /api/v1/jobs?state=dead shows them all.',
			j.kind, j.key, j.attempts, left(coalesce(j.error, 'unknown'), 500), j.kind, j.key),
		'high', '/api/v1/jobs?state=dead', jsonb_build_object('kind', j.kind, 'key', j.key, 'projectId', project));
end
$$;
comment on function callmend_job_dead(jobs) is 'Tells people that work was given up, once an hour for each project; a delivery is dead with its job';

create function callmend_endpoints_busy() returns uuid[] language plpgsql stable as $$
begin
	return (select coalesce(array_agg(d.endpoint_id), '{}') from jobs j, webhook_deliveries d
		where j.state = 'running' and j.kind = 'deliver' and d.id = callmend_uuid(j.key));
end
$$;
comment on function callmend_endpoints_busy() is 'Webhook endpoints to which something is being delivered just now';

create function callmend_job_waits(which_kind text, which text, busy uuid[]) returns boolean language plpgsql stable as $$
begin
	return which_kind = 'deliver' and busy <> '{}' and exists (select from webhook_deliveries d
		where d.id = callmend_uuid(which) and d.endpoint_id = any (busy));
end
$$;
comment on function callmend_job_waits(text, text, uuid[]) is 'A delivery waits while its endpoint is busy with another: a receiver that hangs holds up one lane';

-- Jobs that were tried three times are taken one by one: what brings down its holder takes no others with it. Row by row by
-- their key, because a join would read the whole table once it is large.
create function callmend_job_claim(kinds text[], who text, most int, lease_ms bigint) returns setof jobs
language plpgsql as $$
declare
	due record;
	given_up jobs;
	doubtful boolean;
	room int;
	busy uuid[] := '{}';
begin
	for due in
		select j.kind, j.key from jobs j where j.state = 'running' and j.lease_until < now() and j.kind = any (kinds)
		for update skip locked
	loop
		update jobs j set owner = null, lease_until = null, updated_at = now(),
			state = case when j.attempts >= 10 then 'dead' else 'queued' end,
			error = format('whoever ran it (%s) ended before it was done', j.owner)
		where j.kind = due.kind and j.key = due.key returning * into given_up;
		if given_up.state = 'dead' then
			perform callmend_job_dead(given_up);
		end if;
	end loop;
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
comment on function callmend_job_claim(text[], text, int, bigint) is 'Takes due jobs, and those whose holder has let the lease run out';

create function callmend_job_held(which_kind text, which text, who text) returns jobs language plpgsql as $$
declare
	j jobs;
begin
	select * into j from jobs where kind = which_kind and key = which for update;
	if not found or j.state <> 'running' or j.owner is distinct from who then
		raise exception 'job % %: not held by %', which_kind, which, who using errcode = 'CM002';
	end if;
	return j;
end
$$;
comment on function callmend_job_held(text, text, text) is 'The job, locked, when it is still his who claimed it; otherwise CM002: the lease was lost';

create function callmend_job_done(which_kind text, which text, who text, seen bigint) returns boolean
language plpgsql as $$
declare
	j jobs := callmend_job_held(which_kind, which, who);
begin
	if j.wanted = seen then
		delete from jobs where kind = which_kind and key = which;
		return true;
	end if;
	update jobs set state = 'queued', owner = null, lease_until = null, attempts = 0, error = null, updated_at = now()
		where kind = which_kind and key = which;
	return false;
end
$$;
comment on function callmend_job_done(text, text, text, bigint) is 'Ends a job in the transaction that stores its result; false: asked for again meanwhile. CM002 when the lease was lost: the result must not be stored';

create function callmend_job_failed(which_kind text, which text, who text, why text, most int) returns text
language plpgsql as $$
declare
	j jobs;
begin
	update jobs set error = left(why, 1000), owner = null, lease_until = null,
		state = case when attempts >= most then 'dead' else 'queued' end,
		run_at = now() + least(3600, 5 * 2 ^ least(attempts, 12)) * interval '1 second', updated_at = now()
	where kind = which_kind and key = which and state = 'running' and owner = who
	returning * into j;
	if j.state = 'dead' then
		-- An apply that fails tells what failed by itself (callmend_apply_store).
		perform callmend_job_dead(j) where j.kind <> 'apply';
	end if;
	return j.state;
end
$$;
comment on function callmend_job_failed(text, text, text, text, int) is 'Gives a job back with the reason, later and later; after so many attempts it is dead';

create function callmend_job_later(which_kind text, which text, who text, delay_ms bigint) returns void
language plpgsql as $$
begin
	perform callmend_job_held(which_kind, which, who);
	update jobs set state = 'queued', owner = null, lease_until = null, attempts = 0, error = null,
		run_at = now() + delay_ms * interval '1 millisecond', updated_at = now()
	where kind = which_kind and key = which;
end
$$;
comment on function callmend_job_later(text, text, text, bigint) is 'Gives a job back to be gone on with later: no failure, counts from anew. CM002 when the lease was lost';

create function callmend_job_doc(j jobs) returns jsonb language sql stable as $$
	select jsonb_build_object('kind', j.kind, 'key', j.key, 'payload', j.payload, 'state', j.state, 'attempts', j.attempts,
		'run_at', callmend_time(j.run_at), 'lease_until', callmend_time(j.lease_until), 'owner', j.owner,
		'error', j.error, 'created_at', callmend_time(j.created_at), 'updated_at', callmend_time(j.updated_at))
$$;
comment on function callmend_job_doc(jobs) is 'A job as JSON';

create function callmend_conflict(why text) returns jsonb language plpgsql as $$
begin
	raise exception '%', why using errcode = 'CM001';
end
$$;
comment on function callmend_conflict(text) is 'Refuses what is in conflict with the present state';
