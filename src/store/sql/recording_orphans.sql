-- read: which of these files no recording names.
-- $1 JSON array of "<yyyy-mm-dd>/<recording>.ogg..."
-- [names]
select coalesce(json_agg(given.name), '[]') from jsonb_array_elements_text($1::jsonb) given(name)
where not exists (select from recordings r where r.id = callmend_uuid(substr(given.name, 12, 36)) and r.file = given.name)
