-- Words of recordings of calls that were followed live and brought none.

create function callmend_spoken(call uuid) returns boolean language sql stable as $$
	select exists (select from call_events e where e.call_id = call and e.type in ('transcript.final', 'turn') and e.text <> '')
		or exists (select from messages m where m.call_id = call and m.role in ('user', 'assistant') and m.text <> '')
$$;
comment on function callmend_spoken(uuid) is 'Whether words of a call are known, whoever told them';

create or replace function callmend_recording_put(call uuid, doc jsonb, waveform json) returns void language sql volatile as $$
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
	-- Of a live one the platform's report may still bring them; of one that nothing but its audio tells of nobody will.
	select callmend_job('transcribe', doc->>'id', c.org_id, jsonb_build_object('call_id', c.id),
		case when (doc->>'imported')::boolean or c.kind = 'audio' or c.report is not null then 0 else 60000 end)
	from calls c join projects p on p.id = c.project_id
	where c.id = call and doc->>'state' = 'ready' and jsonb_typeof(p.audio->'stt') = 'object'
		and ((doc->>'imported')::boolean or not callmend_spoken(c.id));
$$;
comment on function callmend_recording_put(uuid, jsonb, json) is 'Stores a recording {id, state, file, sources, started_at, duration_ms, bytes, channels, rate_hz, error, imported} and its waveform; asks for the words of one whose call has none when its project has speech-to-text';

-- Their sequences follow the last one of the call, under its record: no later record can have them.
create function callmend_words_put(which uuid, meant jsonb, summed jsonb) returns void language plpgsql as $$
declare
	c calls;
	now_utc timestamp := now() at time zone 'UTC';
	n bigint;
begin
	select * into c from calls where id = which and not live for update;
	if not found or callmend_spoken(which) then
		return;
	end if;
	perform callmend_partition(now_utc::date);
	with told as (
		select e, row_number() over (order by place) as nth from jsonb_array_elements(meant) with ordinality given(e, place)
		where e->>'type' <> 'signal' or not exists (select from call_events had where had.call_id = which
			and had.type = 'signal' and had.data->>'signal' = e->'data'->>'signal')
	), numbered as (
		select e, (e->>'seq')::bigint as was, c.last_seq + nth as seq from told where (c.last_seq & 65535) + nth <= 65535
	), pointing as (
		-- What points at another event does so by its new sequence.
		select e, seq, e->'data'
			|| case when e->'data' ? 'passage_seq' then jsonb_build_object('passage_seq',
				(select p.seq from numbered p where p.was = (e->'data'->>'passage_seq')::bigint)) else '{}' end
			|| case when jsonb_typeof(e->'data'->'evidence') = 'array' then jsonb_build_object('evidence',
				(select coalesce(jsonb_agg(x || jsonb_build_object('seq',
					(select p.seq from numbered p where p.was = (x->>'seq')::bigint)) order by k), '[]')
				from jsonb_array_elements(e->'data'->'evidence') with ordinality shown(x, k)))
				else '{}' end as data
		from numbered
	), kept as (
		insert into call_events (call_id, seq, day, conversation_id, type, speaker, text, is_final, at, offset_ms, data, org_id, arrived_at)
		select which, seq, now_utc::date, c.conversation_id, e->>'type', nullif(e->>'speaker', ''), nullif(e->>'text', ''),
			coalesce((e->>'is_final')::boolean, false), (e->>'at')::timestamptz,
			greatest(0, extract(epoch from (e->>'at')::timestamptz - c.started_at) * 1000)::bigint, data, c.org_id, now()
		from pointing
		returning seq
	), facts as materialized (
		select callmend_contact_fact(c.org_id, c.project_id, which, c.customer_number, seq, e || jsonb_build_object('data', data))
		from pointing where e->>'type' = 'fact' order by seq
	)
	select count(*) + 0 * (select count(*) from facts) into n from kept;
	update calls set last_seq = last_seq + n, event_count = event_count + n,
		turn_count = greatest(turn_count, coalesce((summed->'counts'->>'turns')::bigint, 0)),
		user_sentiment = coalesce(nullif(summed->'sentiment'->>'user', ''), user_sentiment),
		ai_sentiment = coalesce(nullif(summed->'sentiment'->>'ai', ''), ai_sentiment),
		call_sentiment = coalesce(nullif(summed->'sentiment'->>'call', ''), call_sentiment),
		updated_at = now()
	where id = which and n > 0;
end
$$;
comment on function callmend_words_put(uuid, jsonb, jsonb) is 'Adds events of its words to a finished call that has none, and what session_summary() of them says; the call is then analysed again';
