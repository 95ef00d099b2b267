-- What platforms know of calls after they ended: call logs, their recordings, their own analysis. An analyst asks for it,
-- source by source, with the platform's budgets of requests.

create table call_follow_ups (
	call_id uuid primary key,
	org_id uuid not null,
	source_id uuid not null,
	state text not null default 'waiting' check (state in ('waiting', 'done', 'given-up')),
	tries int not null default 0,
	due_at timestamptz not null,
	log jsonb,
	error text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index call_follow_ups_due on call_follow_ups (source_id, due_at) where state = 'waiting';
comment on table call_follow_ups is 'Ended calls of platforms that know more of them later';
comment on column call_follow_ups.call_id is 'Call';
comment on column call_follow_ups.org_id is 'Organisation';
comment on column call_follow_ups.source_id is 'Source whose session with the platform is used';
comment on column call_follow_ups.state is 'waiting, done, or given-up (error says why)';
comment on column call_follow_ups.tries is 'How often the platform was asked';
comment on column call_follow_ups.due_at is 'When it is asked next';
comment on column call_follow_ups.log is 'The platform''s record of the call, as far as it is kept: {id, result, reason, action, started_at, ended_at, duration_ms, direction, customer, legs, recordings}';
comment on column call_follow_ups.error is 'What the last answer lacked, or why it was given up';
comment on column call_follow_ups.created_at is 'When the call ended, or was imported';
comment on column call_follow_ups.updated_at is 'When the row was last written';

create table call_insights (
	call_id uuid not null,
	record_id text not null,
	kind text not null,
	org_id uuid not null,
	data jsonb not null,
	at timestamptz not null,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	primary key (call_id, record_id, kind)
);
comment on table call_insights is 'What platforms'' own analyses say of calls, kept when events are dropped';
comment on column call_insights.call_id is 'Call';
comment on column call_insights.record_id is 'The platform''s recording it is about; empty: not told';
comment on column call_insights.kind is 'transcript summary highlights next-steps ai-score sentiment ... (open set)';
comment on column call_insights.org_id is 'Organisation';
comment on column call_insights.data is '{domain, record_id, title, recorded_at, recording_ms, speakers (of a transcript), value}';
comment on column call_insights.at is 'When it was told';
comment on column call_insights.created_at is 'When it was first stored';
comment on column call_insights.updated_at is 'When the row was last written';

create table platform_budgets (
	source_id uuid primary key,
	org_id uuid not null,
	requests jsonb not null default '{}',
	holder text,
	held_until timestamptz,
	updated_at timestamptz not null default now()
);
comment on table platform_budgets is 'Who asks a source''s platform just now, besides its live session, and what was asked within the window: one at a time for each source';
comment on column platform_budgets.source_id is 'Source';
comment on column platform_budgets.org_id is 'Organisation';
comment on column platform_budgets.requests is '{group: {limit, window_us, closed_us, at: [times in microseconds since 1970]}}';
comment on column platform_budgets.holder is 'Who asks; null: nobody';
comment on column platform_budgets.held_until is 'When it is anybody''s, if he does not go on';
comment on column platform_budgets.updated_at is 'When the row was last written';

alter table recordings
	add column platform_id text,
	add column mixed boolean not null default false,
	add column speech jsonb,
	add column words jsonb;
create unique index recordings_platform on recordings (call_id, platform_id) where platform_id is not null;
comment on column recordings.platform_id is 'The platform''s id of a recording that was fetched from it; null: ours';
comment on column recordings.mixed is 'All voices in one: both sides sound the same, nobody knows who speaks';
comment on column recordings.speech is 'A mixed one, where nothing was heard live: {ms: speech in all, spans: [[start_ms, ms], ...]}';
comment on column recordings.words is 'Of one that was fetched from the platform: what speech-to-text has heard, [{role, text, at}]';

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check check (kind in
	('analyse', 'detect', 'suggest', 'apply', 'deliver', 'pull', 'reanalyse', 'recording', 'transcribe', 'followup'));
comment on column jobs.kind is 'analyse a call, detect in a project, suggest on demand, apply a suggestion to a source, deliver a webhook, pull calls of a source, reanalyse the calls of a project, make the recording of a call, transcribe a recording, follow up the ended calls of a source';

create or replace function callmend_job_project(which_kind text, which text) returns uuid language sql stable as $$
	select case when which_kind in ('analyse', 'recording') then (select c.project_id from calls c where c.id = callmend_uuid(which))
		when which_kind = 'transcribe' then (select r.project_id from recordings r where r.id = callmend_uuid(which))
		when which_kind in ('detect', 'reanalyse') then callmend_uuid(which)
		when which_kind in ('apply', 'pull', 'followup') then (select s.project_id from sources s where s.id = callmend_uuid(which)) end
$$;

create or replace function callmend_recording(r recordings) returns json language sql stable as $$
	select json_build_object('id', r.id, 'call_id', r.call_id, 'state', r.state, 'started_at', callmend_time(r.started_at),
		'offset_ms', (select (extract(epoch from r.started_at - c.started_at) * 1000)::bigint from calls c where c.id = r.call_id),
		'duration_ms', r.duration_ms, 'bytes', r.bytes, 'channels', r.channels, 'rate_hz', r.rate_hz,
		'imported', r.imported, 'platform_id', r.platform_id, 'mixed', r.mixed, 'speech', r.speech, 'error', r.error,
		'expires_at', callmend_time(r.expires_at),
		'created_at', callmend_time(r.created_at), 'updated_at', callmend_time(r.updated_at))
$$;

create or replace function callmend_recording_put(call uuid, doc jsonb, waveform json) returns void language sql volatile as $$
	insert into recordings as r (id, org_id, project_id, call_id, state, file, sources, started_at, duration_ms, bytes, channels,
		rate_hz, peaks, error, imported, platform_id, mixed, speech, expires_at)
	select (doc->>'id')::uuid, c.org_id, c.project_id, c.id, doc->>'state', doc->>'file', coalesce(doc->'sources', '[]'),
		(doc->>'started_at')::timestamptz, (doc->>'duration_ms')::bigint, (doc->>'bytes')::bigint, (doc->>'channels')::int,
		(doc->>'rate_hz')::int, waveform, doc->>'error', coalesce((doc->>'imported')::boolean, false), doc->>'platform_id',
		coalesce((doc->>'mixed')::boolean, false), nullif(doc->'speech', 'null'),
		now() + coalesce((p.audio->'recording'->>'keep_days')::int, 30) * interval '1 day'
	from calls c left join projects p on p.id = c.project_id where c.id = call
	-- Made once more after a crash: what was deleted meanwhile stays deleted.
	on conflict (id) do update set state = excluded.state, file = excluded.file, sources = excluded.sources,
		started_at = excluded.started_at, duration_ms = excluded.duration_ms, bytes = excluded.bytes,
		channels = excluded.channels, rate_hz = excluded.rate_hz, peaks = excluded.peaks, error = excluded.error,
		mixed = excluded.mixed, speech = excluded.speech, expires_at = excluded.expires_at, updated_at = now()
		where r.state in ('recording', 'processing', 'failed');
	-- Of a live one the platform's report may still bring them; of one that nothing but its audio tells of nobody will.
	select callmend_job('transcribe', doc->>'id', c.org_id, jsonb_build_object('call_id', c.id), case when (doc->>'imported')::boolean
			or doc->>'platform_id' is not null or c.kind = 'audio' or c.report is not null then 0 else 60000 end)
	from calls c join projects p on p.id = c.project_id
	where c.id = call and doc->>'state' = 'ready' and jsonb_typeof(p.audio->'stt') = 'object'
		and ((doc->>'imported')::boolean or doc->>'platform_id' is not null or not callmend_spoken(c.id));
$$;
comment on function callmend_recording_put(uuid, jsonb, json) is 'Stores a recording {id, state, file, sources, started_at, duration_ms, bytes, channels, rate_hz, error, imported, platform_id, mixed, speech} and its waveform; asks for the words of one that came from elsewhere, or whose call has none, when its project has speech-to-text';

create or replace function callmend_source_pull(org uuid, who text, source uuid, what jsonb, why text) returns jsonb language plpgsql as $$
declare
	s sources;
begin
	-- Two that ask at once: one after the other.
	select * into s from sources x where x.id = source and x.org_id = org and x.archived_at is null for no key update;
	if not found then
		return null;
	end if;
	if s.dialect in ('ringcentral', 'ringcx') and s.connect is null then
		perform callmend_conflict('the source has no session with its platform (connect)');
	elsif s.dialect not in ('ringcentral', 'ringcx') and s.private_key is null then
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

-- --- words of ended calls, told from aside ---

-- Rows of messages that no event stands for have this bit set in their sequence: events of one record are fewer.
create function callmend_aside(seq bigint) returns boolean language sql immutable as $$
	select seq & 32768 <> 0
$$;
comment on function callmend_aside(bigint) is 'Was this message put beside those of the call''s events?';

create function callmend_call_spoken(call uuid) returns boolean language sql stable as $$
	select exists (select from call_events e where e.call_id = call and e.type = 'transcript.final')
		or exists (select from messages m where m.call_id = call and not callmend_aside(m.seq)
			and m.role in ('user', 'assistant') and coalesce(m.text, '') <> '')
$$;
comment on function callmend_call_spoken(uuid) is 'Were words of this call told by its own events?';

create function callmend_words_beside(call uuid, words jsonb) returns bigint language plpgsql as $$
declare
	n bigint;
begin
	perform from calls c where c.id = call for no key update;
	delete from messages m where m.call_id = call and callmend_aside(m.seq);
	insert into messages (conversation_id, call_id, seq, org_id, role, speaker, position, text, at)
	select coalesce(c.conversation_id, c.id), c.id, (c.last_seq | 65535) - 32767 + w.n, c.org_id, w.v->>'role',
		nullif(w.v->>'speaker', ''), w.n, w.v->>'text', (w.v->>'at')::timestamptz
	-- The segments of a dialog may tell the same words.
	from calls c, (select v, row_number() over (order by (v->>'at')::timestamptz, o) as n
		from (select v, min(o) as o from jsonb_array_elements(words) with ordinality x(v, o) group by v) once) w
	where c.id = call and w.n < 32767;
	get diagnostics n = row_count;
	update calls c set message_count = greatest(c.message_count, n), updated_at = now() where c.id = call;
	perform callmend_job('analyse', c.id::text, c.org_id, null, 0) from calls c
		where c.id = call and c.project_id is not null and not c.live;
	return n;
end
$$;
comment on function callmend_words_beside(uuid, jsonb) is 'Puts words [{role, speaker, text, at}] beside an ended call, instead of those that were put so before; analyses it anew';

create function callmend_insight_words(call uuid) returns jsonb language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('text', v->>'text',
			'role', case when ours.is then 'assistant' else 'user' end, 'speaker', case when ours.is then 'ai' else 'user' end,
			'at', callmend_time(coalesce((i.data->>'recorded_at')::timestamptz, c.started_at)
				+ coalesce((v->>'start')::numeric, 0)::float8 * interval '1 second'))
		order by i.data->>'recorded_at', o), '[]')
	from call_insights i join calls c on c.id = i.call_id,
		jsonb_array_elements(case when jsonb_typeof(i.data->'value') = 'array' then i.data->'value' else '[]' end) with ordinality t(v, o),
		lateral (select exists (select from jsonb_array_elements(
				case when jsonb_typeof(i.data->'speakers') = 'array' then i.data->'speakers' else '[]' end) s
			where s->>'speakerId' = v->>'speakerId' and coalesce(s->>'extensionId', '') <> '') as is) ours
	where i.call_id = call and i.kind = 'transcript' and coalesce(v->>'text', '') <> ''
$$;
comment on function callmend_insight_words(uuid) is 'The words of a call as its platform has understood them; who has an extension is one of ours';

create function callmend_recording_words(which uuid, heard jsonb) returns void language plpgsql as $$
declare
	call uuid;
	words jsonb;
begin
	update recordings r set words = heard, updated_at = now() where r.id = which returning r.call_id into call;
	select jsonb_agg(w) into words from recordings r, jsonb_array_elements(r.words) w where r.call_id = call;
	if words is not null and callmend_insight_words(call) = '[]' and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, words);
	end if;
end
$$;
comment on function callmend_recording_words(uuid, jsonb) is 'Words of a recording that was fetched from the platform; they become the call''s, whose speakers nobody knows, when there are no better ones';

create function callmend_insight_spoken(call uuid) returns void language plpgsql as $$
declare
	words jsonb;
begin
	if exists (select from calls c where c.id = call and not c.live) and not callmend_call_spoken(call) then
		words := callmend_insight_words(call);
		if words <> '[]' then
			perform callmend_words_beside(call, words);
		end if;
	end if;
end
$$;
comment on function callmend_insight_spoken(uuid) is 'A platform''s transcript becomes the words of an ended call that has none';

create function callmend_insight_put(org uuid, call uuid, what text, doc jsonb, told timestamptz) returns void language plpgsql as $$
declare
	changed boolean;
begin
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
comment on function callmend_insight_put(uuid, uuid, text, jsonb, timestamptz) is 'Stores one kind of a platform''s analysis of a call; the newest of each recording holds';

-- --- asking ---

-- RingCX has its recordings a quarter of an hour later.
create function callmend_follow_delay_ms(s sources) returns bigint language sql immutable as $$
	select 1000 * coalesce((s.connect->>'after_s')::bigint, case s.dialect when 'ringcx' then 900 else 120 end)
$$;
comment on function callmend_follow_delay_ms(sources) is 'How long after a call its platform is asked for what it knows';

create function callmend_call_followed() returns trigger language plpgsql as $$
declare
	s sources;
begin
	select * into s from sources x where x.id = new.source_id and x.archived_at is null
		and x.dialect in ('ringcentral', 'ringcx') and x.connect is not null;
	if not found or new.kind = 'sms' then
		return null;
	end if;
	insert into call_follow_ups as f (call_id, org_id, source_id, due_at)
	values (new.id, new.org_id, s.id, now() + callmend_follow_delay_ms(s) * interval '1 millisecond')
	-- It lived again, and has ended again.
	on conflict (call_id) do update set state = 'waiting', tries = 0, due_at = excluded.due_at, error = null, updated_at = now()
		where f.state <> 'waiting';
	perform callmend_job('followup', s.id::text, s.org_id, null, callmend_follow_delay_ms(s));
	perform callmend_insight_spoken(new.id);
	return null;
end
$$;
comment on function callmend_call_followed() is 'Notes an ended call of a platform that knows more of it later';
create trigger calls_followed_new after insert on calls
	for each row when (not new.live and new.source_id is not null) execute function callmend_call_followed();
create trigger calls_followed after update of live on calls
	for each row when (old.live and not new.live and new.source_id is not null) execute function callmend_call_followed();

-- --- storing ---

create function callmend_log_put(call uuid, doc jsonb) returns void language plpgsql as $$
begin
	insert into call_follow_ups as f (call_id, org_id, source_id, due_at, log)
	select c.id, c.org_id, c.source_id, now(), doc from calls c where c.id = call and c.source_id is not null
	on conflict (call_id) do update set log = excluded.log, updated_at = now();
	-- What was followed live knows its times and its end better than a record with whole seconds, unless it was lost.
	update calls c set
		customer_number = coalesce(c.customer_number, nullif(doc->'customer'->>'number', '')),
		customer = coalesce(jsonb_strip_nulls(doc->'customer'), '{}') || coalesce(jsonb_strip_nulls(c.customer), '{}'),
		kind = coalesce(c.kind, doc->>'direction'),
		started_at = case when x.lost then coalesce((doc->>'started_at')::timestamptz, c.started_at) else c.started_at end,
		ended_at = case when x.lost then coalesce((doc->>'ended_at')::timestamptz, c.ended_at) else c.ended_at end,
		duration_ms = case when x.lost then coalesce((doc->>'duration_ms')::bigint, c.duration_ms) else c.duration_ms end,
		ended_reason = case when x.lost then doc->>'reason' else c.ended_reason end,
		ended_class = case when x.lost then case doc->>'reason' when 'completed' then 'other' else 'telephony' end
			else c.ended_class end,
		updated_at = now()
	from (select k.id, coalesce(k.ended_class, 'lost') = 'lost' and doc->>'reason' is not null as lost from calls k) x
	where c.id = call and x.id = c.id and not c.live;
	perform callmend_job('analyse', c.id::text, c.org_id, null, 0) from calls c
		where c.id = call and c.project_id is not null and not c.live;
end
$$;
comment on function callmend_log_put(uuid, jsonb) is 'Stores the platform''s record of an ended call, and what the call itself lacks of it';

create function callmend_follow_up_store(which text, who text, call uuid, doc jsonb) returns void language plpgsql as $$
begin
	perform callmend_job_held('followup', which, who);
	if jsonb_typeof(doc->'log') = 'object' then
		perform callmend_log_put(call, doc->'log');
	end if;
	perform callmend_insight_put(c.org_id, c.id, i->>'kind', i->'data', coalesce((i->>'at')::timestamptz, now()))
		from calls c, jsonb_array_elements(coalesce(doc->'insights', '[]')) i where c.id = call;
	if jsonb_typeof(doc->'words') = 'array' and doc->'words' <> '[]' and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, doc->'words');
	end if;
	update call_follow_ups f set state = doc->>'state', tries = f.tries + 1, error = left(doc->>'error', 1000),
		due_at = now() + coalesce((doc->>'delay_ms')::bigint, 0) * interval '1 millisecond', updated_at = now()
	where f.call_id = call;
end
$$;
comment on function callmend_follow_up_store(text, text, uuid, jsonb) is 'What came of asking the platform for a call {state, error, delay_ms, log, insights: [{kind, data, at}], words}, while the job of its source is held';

create function callmend_follow_ups_done(which text, who text, seen bigint) returns boolean language plpgsql as $$
declare
	ended boolean := callmend_job_done('followup', which, who, seen);
begin
	update call_follow_ups f set state = 'given-up', error = 'the source is gone, or has no session with its platform any more',
		updated_at = now()
	where f.source_id = callmend_uuid(which) and f.state = 'waiting' and not exists (select from sources s
		where s.id = f.source_id and s.archived_at is null and s.connect is not null);
	-- What is due and was not taken (a call that lives again) is looked at now and then.
	perform callmend_job('followup', which, f.org_id, null, case when min(f.due_at) <= now() then 60000
			else greatest(1000, extract(epoch from min(f.due_at) - now()) * 1000)::bigint end)
		from call_follow_ups f where f.source_id = callmend_uuid(which) and f.state = 'waiting' group by f.org_id;
	return ended;
end
$$;
comment on function callmend_follow_ups_done(text, text, bigint) is 'Ends the job of a source, and asks for it again when its next call is due';
comment on column messages.role is 'system user assistant tool-calls tool-result; unknown: of a recording with all voices in one';
