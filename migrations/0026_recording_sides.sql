-- Recordings of platforms with the customer on one channel and ours on the other: their words have speakers.

comment on column recordings.mixed is 'All voices in one, or nobody knows who is on which channel';
comment on column recordings.speech is 'Of one that was fetched from the platform, where nothing was heard live: {ms: speech of anybody in all, spans: [[start_ms, ms], ...]}';
comment on column recordings.words is 'Of one that was fetched from the platform: what speech-to-text has heard, [{role, speaker, text, at}]';
comment on column messages.role is 'system user assistant tool-calls tool-result; unknown: of a recording of which nobody knows who speaks';

-- The platform's own words are better than those of speech-to-text: whichever come last, they stay.
alter table call_follow_ups add column spoken boolean not null default false;
comment on column call_follow_ups.spoken is 'The platform''s transcript was put beside the call';

create function callmend_platform_spoken(call uuid) returns boolean language sql stable as $$
	select callmend_insight_words(call) <> '[]' or exists (select from call_follow_ups f where f.call_id = call and f.spoken)
$$;
comment on function callmend_platform_spoken(uuid) is 'Did the platform tell a transcript of this call after its end?';

create or replace function callmend_recording_words(which uuid, heard jsonb) returns void language plpgsql as $$
declare
	call uuid;
	words jsonb;
begin
	update recordings r set words = heard, updated_at = now() where r.id = which returning r.call_id into call;
	select jsonb_agg(w) into words from recordings r, jsonb_array_elements(r.words) w where r.call_id = call;
	if words is not null and not callmend_platform_spoken(call) and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, words);
	end if;
end
$$;
comment on function callmend_recording_words(uuid, jsonb) is 'Words of a recording that was fetched from the platform; they become the call''s when there are no better ones';

create or replace function callmend_follow_up_store(which text, who text, call uuid, doc jsonb) returns void language plpgsql as $$
declare
	told boolean := coalesce(jsonb_typeof(doc->'words') = 'array' and doc->'words' <> '[]', false);
begin
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
