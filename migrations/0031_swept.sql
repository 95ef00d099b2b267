-- Calls that nobody knows to be missed: a session whose events come by webhook asks for those of the last hours again and again, so
-- that one look at the platform's log is enough. With two, an hour apart, its windows would grow into each other for ever.

drop function callmend_calls_missed(uuid, timestamptz, timestamptz);
create function callmend_calls_missed(source uuid, since timestamptz, until timestamptz, looks integer) returns jsonb language plpgsql as $$
declare
	s sources;
	what jsonb := jsonb_build_object('since', callmend_time(since), 'until', callmend_time(until), 'looks', looks);
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
comment on function callmend_calls_missed(uuid, timestamptz, timestamptz, integer) is 'Asks for the calls of a source that began in this time of its platform''s clock, with so many looks; null: no such source';
