-- RingCX reports the segments of a dialog hour by hour: those of a later report are put beside those of an earlier one.

create function callmend_segments(before jsonb, news jsonb) returns jsonb language sql immutable as $$
	select coalesce(jsonb_agg(s order by s->>'started_at', s->>'id'), '[]')
	from (select distinct on (v->>'id') v as s
		from (select v, 1 as age from jsonb_array_elements(news) v union all select v, 2 from jsonb_array_elements(before) v) a
		order by v->>'id', age) once
$$;
comment on function callmend_segments(jsonb, jsonb) is 'Segments of one dialog of two reports [{id, name, started_at, ended_at}], each once, as the newer report has it';

-- Segments that nobody knew of when all was fetched: it is fetched again. Whether the call was lost is asked when nobody is telling
-- its end: in the statement that waits, only the row itself is new.
create or replace function callmend_log_put(call uuid, doc jsonb) returns void language plpgsql as $$
declare
	before jsonb;
	fetched boolean;
	grown boolean := false;
begin
	perform from calls c where c.id = call for no key update;
	select f.log->'segments', f.state <> 'waiting' into before, fetched from call_follow_ups f where f.call_id = call;
	if jsonb_typeof(before) = 'array' and jsonb_typeof(doc->'segments') = 'array' then
		doc := doc || jsonb_build_object('segments', callmend_segments(before, doc->'segments'));
		grown := fetched and jsonb_array_length(doc->'segments') > jsonb_array_length(before);
	end if;
	insert into call_follow_ups as f (call_id, org_id, source_id, due_at, log)
	select c.id, c.org_id, c.source_id, now(), doc from calls c where c.id = call and c.source_id is not null
	on conflict (call_id) do update set log = excluded.log, updated_at = now(),
		state = case when grown then 'waiting' else f.state end, tries = case when grown then 0 else f.tries end,
		due_at = case when grown then now() else f.due_at end;
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
	-- One that only such reports tell of lasts as long as they say.
	update calls c set started_at = least(c.started_at, x.began), ended_at = greatest(c.ended_at, x.ended),
		duration_ms = (extract(epoch from greatest(c.ended_at, x.ended) - least(c.started_at, x.began)) * 1000)::bigint
	from (select min((s->>'started_at')::timestamptz) as began, max((s->>'ended_at')::timestamptz) as ended
		from jsonb_array_elements(case when jsonb_typeof(doc->'segments') = 'array' then doc->'segments' else '[]' end) s) x
	where c.id = call and c.imported and not c.live and x.ended > c.ended_at;
	if grown then
		perform callmend_job('followup', c.source_id::text, c.org_id, null, 0) from calls c where c.id = call;
	end if;
	perform callmend_job('analyse', c.id::text, c.org_id, null, 0) from calls c
		where c.id = call and c.project_id is not null and not c.live;
end
$$;
