-- write: forgets recordings whose files are gone.
-- $1 JSON array of ids
with gone as (
	delete from recordings r using jsonb_array_elements_text($1::jsonb) given(id)
	where r.id = given.id::uuid and r.state = 'expired' returning r.id
)
select to_jsonb(count(*)) from gone
