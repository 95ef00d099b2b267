-- read: mappings, the latest first; every filter may be null.
-- $1 org  $2 project id  $3 search term  $4 active (true or false)  $5 reviewed (true or false)  $6 source  $7 cursor  $8 limit
-- {"mappings": [mapping], "next_cursor": text or null}
with page as (
	select m.* from search_term_mappings m, callmend_uncursor($7::text, 2) as k
	where m.org_id = $1::uuid
		and ($2::uuid is null or m.project_id = $2::uuid)
		and ($3::text is null or m.search_term = callmend_term($3::text))
		and ($4::boolean is null or m.active = $4::boolean)
		and ($5::boolean is null or (m.reviewed_at is not null) = $5::boolean)
		and ($6::text is null or m.source = $6::text)
		and (k is null or (m.created_at, m.id) < (k[1]::timestamptz, k[2]::uuid))
	order by m.created_at desc, m.id desc
	limit callmend_limit($8::text, 200) + 1
), shown as (
	select * from page order by created_at desc, id desc limit callmend_limit($8::text, 200)
)
select json_build_object(
	'mappings', (select coalesce(json_agg(callmend_mapping(row(s.*)::search_term_mappings) order by created_at desc, id desc), '[]')
		from shown s),
	'next_cursor', case when (select count(*) from page) > callmend_limit($8::text, 200) then
		(select callmend_cursor(callmend_time(created_at), id::text) from shown order by created_at, id limit 1) end)
