-- Calls that began and ended while a source's session had lost events: brought from the platform's call log by a job of the source,
-- a while later, since the log is late, and once more much later.

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check check (kind in
	('analyse', 'detect', 'suggest', 'apply', 'deliver', 'pull', 'reanalyse', 'recording', 'transcribe', 'followup', 'missed'));
comment on column jobs.kind is 'analyse a call, detect in a project, suggest on demand, apply a suggestion to a source, deliver a webhook, pull calls of a source, reanalyse the calls of a project, make the recording of a call, transcribe a recording, follow up the ended calls of a source, bring the calls that a source has missed';

create or replace function callmend_job_project(which_kind text, which text) returns uuid language sql stable as $$
	select case when which_kind in ('analyse', 'recording') then (select c.project_id from calls c where c.id = callmend_uuid(which))
		when which_kind = 'transcribe' then (select r.project_id from recordings r where r.id = callmend_uuid(which))
		when which_kind in ('detect', 'reanalyse') then callmend_uuid(which)
		when which_kind in ('apply', 'pull', 'followup', 'missed') then (select s.project_id from sources s where s.id = callmend_uuid(which)) end
$$;

create or replace function callmend_job_merged(which_kind text, was jsonb, what jsonb) returns jsonb language sql immutable as $$
	select case when was is null then what when what is null or which_kind = 'pull' then was
		-- Times as callmend_time writes them sort as texts.
		when which_kind = 'missed' then jsonb_build_object('since', least(was->>'since', what->>'since'),
			'until', greatest(was->>'until', what->>'until'), 'looks', greatest((was->>'looks')::int, (what->>'looks')::int))
		else was || what || case when was @> '{"force": true}' then '{"force": true}' else '{}' end::jsonb end
$$;
comment on function callmend_job_merged(text, jsonb, jsonb) is 'The payload of a job not begun that is asked for again: the window of a pull holds on, those of missed calls become one, and that a text may be overwritten holds';

create function callmend_calls_missed(source uuid, since timestamptz, until timestamptz) returns jsonb language plpgsql as $$
declare
	s sources;
	what jsonb := jsonb_build_object('since', callmend_time(since), 'until', callmend_time(until), 'looks', 2);
begin
	select * into s from sources x where x.id = source and x.archived_at is null and x.connect is not null for no key update;
	if not found then
		return null;
	end if;
	-- What was given up is tried with it.
	select callmend_job_merged('missed', j.payload, what) into what from (select 1) one
		left join jobs j on j.kind = 'missed' and j.key = source::text and j.state = 'dead';
	perform callmend_job('missed', source::text, s.org_id, what, callmend_follow_delay_ms(s));
	return what;
end
$$;
comment on function callmend_calls_missed(uuid, timestamptz, timestamptz) is 'Asks for the calls of a source that began in this time of its platform''s clock; null: no such source';

create function callmend_missed_done(which text, who text, seen bigint) returns boolean language plpgsql as $$
declare
	j jobs := callmend_job_held('missed', which, who);
	delay_ms bigint := (select callmend_follow_delay_ms(s) from sources s where s.id = callmend_uuid(which));
begin
	if j.wanted <> seen then
		perform callmend_job_later('missed', which, who, delay_ms);
	elsif (j.payload->>'looks')::int > 1 then
		perform callmend_job_later('missed', which, who, 30 * delay_ms);
		update jobs x set payload = x.payload || '{"looks": 1}' where x.kind = 'missed' and x.key = which;
	else
		return callmend_job_done('missed', which, who, seen);
	end if;
	return false;
end
$$;
comment on function callmend_missed_done(text, text, bigint) is 'Ends a look for missed calls; false: there will be another, because the log may have been late or more was asked for';
