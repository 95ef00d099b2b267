-- Recordings with all voices in one: speech-to-text tells the voices apart, and a rule of the source whose the first one is.

alter table recordings
	add column voices integer,
	add column on_demand boolean not null default false;
comment on column recordings.voices is 'How many voices speech-to-text has told apart, where the speakers of its words come from that: an inference; null: they do not';
comment on column recordings.on_demand is 'The platform began it in the middle of a call, when somebody wanted it: who speaks first in it says nothing';
comment on column recordings.mixed is 'All voices in one, or nobody knows who is on which channel: speakers of its words can only come from its voices';

create or replace function callmend_recording(r recordings) returns json language sql stable as $$
	select json_build_object('id', r.id, 'call_id', r.call_id, 'state', r.state, 'started_at', callmend_time(r.started_at),
		'offset_ms', (select (extract(epoch from r.started_at - case when r.imported or r.platform_id is not null then c.started_at
			else coalesce(c.began_at, c.started_at) end) * 1000)::bigint from calls c where c.id = r.call_id),
		'duration_ms', r.duration_ms, 'bytes', r.bytes, 'channels', r.channels, 'rate_hz', r.rate_hz,
		'imported', r.imported, 'platform_id', r.platform_id, 'mixed', r.mixed, 'voices', r.voices, 'speech', r.speech, 'error', r.error,
		'expires_at', callmend_time(r.expires_at),
		'created_at', callmend_time(r.created_at), 'updated_at', callmend_time(r.updated_at))
$$;

create or replace function callmend_recording_put(call uuid, doc jsonb, waveform json) returns void language sql volatile as $$
	insert into recordings as r (id, org_id, project_id, call_id, state, file, sources, started_at, duration_ms, bytes, channels,
		rate_hz, peaks, error, imported, platform_id, mixed, on_demand, speech, expires_at)
	select (doc->>'id')::uuid, c.org_id, c.project_id, c.id, doc->>'state', doc->>'file', coalesce(doc->'sources', '[]'),
		(doc->>'started_at')::timestamptz, (doc->>'duration_ms')::bigint, (doc->>'bytes')::bigint, (doc->>'channels')::int,
		(doc->>'rate_hz')::int, waveform, doc->>'error', coalesce((doc->>'imported')::boolean, false), doc->>'platform_id',
		coalesce((doc->>'mixed')::boolean, false), coalesce((doc->>'on_demand')::boolean, false), nullif(doc->'speech', 'null'),
		now() + coalesce((p.audio->'recording'->>'keep_days')::int, 30) * interval '1 day'
	from calls c left join projects p on p.id = c.project_id where c.id = call
	-- Made once more after a crash: what was deleted meanwhile stays deleted.
	on conflict (id) do update set state = excluded.state, file = excluded.file, sources = excluded.sources,
		started_at = excluded.started_at, duration_ms = excluded.duration_ms, bytes = excluded.bytes,
		channels = excluded.channels, rate_hz = excluded.rate_hz, peaks = excluded.peaks, error = excluded.error,
		mixed = excluded.mixed, on_demand = excluded.on_demand, speech = excluded.speech, expires_at = excluded.expires_at, updated_at = now()
		where r.state in ('recording', 'processing', 'failed');
	-- Of a live one the platform's report may still bring them; of one that nothing but its audio tells of nobody will.
	select callmend_job('transcribe', doc->>'id', c.org_id, jsonb_build_object('call_id', c.id), case when (doc->>'imported')::boolean
			or doc->>'platform_id' is not null or c.kind = 'audio' or c.report is not null then 0 else 60000 end)
	from calls c join projects p on p.id = c.project_id
	where c.id = call and doc->>'state' = 'ready' and jsonb_typeof(p.audio->'stt') = 'object'
		and ((doc->>'imported')::boolean or doc->>'platform_id' is not null or not callmend_spoken(c.id));
$$;
comment on function callmend_recording_put(uuid, jsonb, json) is 'Stores a recording {id, state, file, sources, started_at, duration_ms, bytes, channels, rate_hz, error, imported, platform_id, mixed, on_demand, speech} and its waveform; asks for the words of one that came from elsewhere, or whose call has none, when its project has speech-to-text';

-- Another argument would make another function beside it. The call's row first: decided before, speech-to-text put its words over the
-- platform's that came at the same moment, and one recording's over the other's.
drop function callmend_recording_words(uuid, jsonb);
create function callmend_recording_words(which uuid, heard jsonb, told_apart integer default null) returns void language plpgsql as $$
declare
	call uuid;
	words jsonb;
begin
	update recordings r set words = heard, voices = told_apart, updated_at = now() where r.id = which returning r.call_id into call;
	perform from calls c where c.id = call for no key update;
	select jsonb_agg(w) into words from recordings r, jsonb_array_elements(r.words) w where r.call_id = call;
	if words is not null and not callmend_platform_spoken(call) and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, words);
	end if;
end
$$;
comment on function callmend_recording_words(uuid, jsonb, integer) is 'Words of a recording that was fetched from the platform, and how many voices their speakers come from; they become the call''s when there are no better ones';
