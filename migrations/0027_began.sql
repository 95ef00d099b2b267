-- The platform's clock may be hours off: what our own clock times is placed in the call from the start as our clock had it.

alter table calls add column began_at timestamptz;
comment on column calls.began_at is 'When it began on the node''s own clock; started_at is the platform''s word';

create or replace function callmend_recording(r recordings) returns json language sql stable as $$
	select json_build_object('id', r.id, 'call_id', r.call_id, 'state', r.state, 'started_at', callmend_time(r.started_at),
		'offset_ms', (select (extract(epoch from r.started_at - case when r.imported or r.platform_id is not null then c.started_at
			else coalesce(c.began_at, c.started_at) end) * 1000)::bigint from calls c where c.id = r.call_id),
		'duration_ms', r.duration_ms, 'bytes', r.bytes, 'channels', r.channels, 'rate_hz', r.rate_hz,
		'imported', r.imported, 'platform_id', r.platform_id, 'mixed', r.mixed, 'speech', r.speech, 'error', r.error,
		'expires_at', callmend_time(r.expires_at),
		'created_at', callmend_time(r.created_at), 'updated_at', callmend_time(r.updated_at))
$$;

-- Their sequences follow the last one of the call, under its record: no later record can have them.
create or replace function callmend_words_put(which uuid, meant jsonb, summed jsonb) returns void language plpgsql as $$
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
			greatest(0, extract(epoch from (e->>'at')::timestamptz - coalesce(c.began_at, c.started_at)) * 1000)::bigint, data, c.org_id, now()
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
