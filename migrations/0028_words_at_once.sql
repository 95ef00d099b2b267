-- Words of two recordings, or of a recording and of the platform, that are stored at the same moment: who waits for the call's row
-- decides afterwards. Decided before, speech-to-text put its words over the platform's, and one recording's over the other's.

create or replace function callmend_recording_words(which uuid, heard jsonb) returns void language plpgsql as $$
declare
	call uuid;
	words jsonb;
begin
	update recordings r set words = heard, updated_at = now() where r.id = which returning r.call_id into call;
	perform from calls c where c.id = call for no key update;
	select jsonb_agg(w) into words from recordings r, jsonb_array_elements(r.words) w where r.call_id = call;
	if words is not null and not callmend_platform_spoken(call) and not callmend_call_spoken(call) then
		perform callmend_words_beside(call, words);
	end if;
end
$$;
