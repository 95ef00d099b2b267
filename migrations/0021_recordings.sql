-- Recordings of calls: made by analysts of what the core has written, or brought by imports.

create table recordings (
	id uuid primary key,
	org_id uuid not null,
	project_id uuid,
	call_id uuid not null,
	state text not null check (state in ('recording', 'processing', 'ready', 'failed', 'expired')),
	file text,
	sources jsonb not null default '[]',
	started_at timestamptz not null,
	duration_ms bigint,
	bytes bigint,
	channels int,
	rate_hz int,
	peaks json,
	error text,
	imported boolean not null default false,
	expires_at timestamptz,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index recordings_call on recordings (call_id, started_at);
create index recordings_expires on recordings (expires_at) where expires_at is not null;
comment on table recordings is 'Sound of calls, in files of the recordings folder';
comment on column recordings.id is 'UUID version 5 of the call and when the recording began: making it again gives the same';
comment on column recordings.org_id is 'Organisation';
comment on column recordings.project_id is 'Project of the call; it says how long recordings are kept';
comment on column recordings.call_id is 'Call';
comment on column recordings.state is 'recording while the call runs, processing, ready, failed, expired until its file is gone';
comment on column recordings.file is 'Ogg Opus, relative to the recordings folder; null: not there yet';
comment on column recordings.sources is 'Names of the WAV files it was made of, in the same folder; deleted afterwards';
comment on column recordings.started_at is 'Wall clock of its first sample';
comment on column recordings.duration_ms is 'Length';
comment on column recordings.bytes is 'Of the file';
comment on column recordings.channels is '2: left the customer, right the assistant';
comment on column recordings.rate_hz is 'Of the sound it was made of';
comment on column recordings.peaks is 'Waveform: {version, ms, left: [min, max ...], right}, 0 to 255';
comment on column recordings.error is 'Why it failed, or what is missing of it';
comment on column recordings.imported is 'Brought by an import';
comment on column recordings.expires_at is 'When file and row go; null: not ready yet';
comment on column recordings.created_at is 'When it was first seen';
comment on column recordings.updated_at is 'When the row was last written';

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check check (kind in
	('analyse', 'detect', 'suggest', 'apply', 'deliver', 'pull', 'reanalyse', 'recording', 'transcribe'));
comment on column jobs.kind is 'analyse a call, detect in a project, suggest on demand, apply a suggestion to a source, deliver a webhook, pull calls of a source, reanalyse the calls of a project, make the recording of a call, transcribe a recording';

create or replace function callmend_job_project(which_kind text, which text) returns uuid language sql stable as $$
	select case when which_kind in ('analyse', 'recording') then (select c.project_id from calls c where c.id = callmend_uuid(which))
		when which_kind = 'transcribe' then (select r.project_id from recordings r where r.id = callmend_uuid(which))
		when which_kind in ('detect', 'reanalyse') then callmend_uuid(which)
		when which_kind in ('apply', 'pull') then (select s.project_id from sources s where s.id = callmend_uuid(which)) end
$$;

create function callmend_recording(r recordings) returns json language sql stable as $$
	select json_build_object('id', r.id, 'call_id', r.call_id, 'state', r.state, 'started_at', callmend_time(r.started_at),
		'offset_ms', (select (extract(epoch from r.started_at - c.started_at) * 1000)::bigint from calls c where c.id = r.call_id),
		'duration_ms', r.duration_ms, 'bytes', r.bytes, 'channels', r.channels, 'rate_hz', r.rate_hz,
		'imported', r.imported, 'error', r.error, 'expires_at', callmend_time(r.expires_at),
		'created_at', callmend_time(r.created_at), 'updated_at', callmend_time(r.updated_at))
$$;
comment on function callmend_recording(recordings) is 'A recording as JSON; offset_ms: when it began, from the start of its call';

-- --- making ---

-- Whether there is anything to be made is seen by who looks into the folder.
create function callmend_call_recorded() returns trigger language plpgsql as $$
begin
	perform callmend_job('recording', new.id::text, new.org_id, null, 0) from projects p
		where p.id = new.project_id and p.audio->'recording'->'on' = 'true';
	return null;
end
$$;
comment on function callmend_call_recorded() is 'Asks for the recording of a call that has ended, when its project records';
create trigger calls_recorded_new after insert on calls
	for each row when (not new.live and not new.imported and new.project_id is not null) execute function callmend_call_recorded();
create trigger calls_recorded after update of live on calls
	for each row when (old.live and not new.live and new.project_id is not null) execute function callmend_call_recorded();

create function callmend_recording_put(call uuid, doc jsonb, waveform json) returns void language sql volatile as $$
	insert into recordings as r (id, org_id, project_id, call_id, state, file, sources, started_at, duration_ms, bytes, channels,
		rate_hz, peaks, error, imported, expires_at)
	select (doc->>'id')::uuid, c.org_id, c.project_id, c.id, doc->>'state', doc->>'file', coalesce(doc->'sources', '[]'),
		(doc->>'started_at')::timestamptz, (doc->>'duration_ms')::bigint, (doc->>'bytes')::bigint, (doc->>'channels')::int,
		(doc->>'rate_hz')::int, waveform, doc->>'error', coalesce((doc->>'imported')::boolean, false),
		now() + coalesce((p.audio->'recording'->>'keep_days')::int, 30) * interval '1 day'
	from calls c left join projects p on p.id = c.project_id where c.id = call
	-- Made once more after a crash: what was deleted meanwhile stays deleted.
	on conflict (id) do update set state = excluded.state, file = excluded.file, sources = excluded.sources,
		started_at = excluded.started_at, duration_ms = excluded.duration_ms, bytes = excluded.bytes,
		channels = excluded.channels, rate_hz = excluded.rate_hz, peaks = excluded.peaks, error = excluded.error,
		expires_at = excluded.expires_at, updated_at = now()
		where r.state in ('recording', 'processing', 'failed');
	-- Live ones have their words by then.
	select callmend_job('transcribe', doc->>'id', c.org_id, jsonb_build_object('call_id', c.id), 0)
	from calls c join projects p on p.id = c.project_id
	where c.id = call and (doc->>'imported')::boolean and jsonb_typeof(p.audio->'stt') = 'object';
$$;
comment on function callmend_recording_put(uuid, jsonb, json) is 'Stores a recording {id, state, file, sources, started_at, duration_ms, bytes, channels, rate_hz, error, imported} and its waveform; asks for the words of an imported one when its project has speech-to-text';
