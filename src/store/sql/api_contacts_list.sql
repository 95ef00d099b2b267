-- read: contacts, the latest first.
-- $1 org  $2 text (part of number or name)  $3 cursor  $4 limit (1 to 200, default 50)
-- {"contacts": [contact], "next_cursor": text or null}
with page as (
	select c.* from contacts c, callmend_uncursor($3::text, 2) as k
	where c.org_id = $1::uuid
		and ($2::text is null or strpos(c.number, $2::text) > 0 or strpos(lower(c.name), lower($2::text)) > 0)
		and (k is null or (c.last_seen, c.id) < (k[1]::timestamptz, k[2]::uuid))
	order by c.last_seen desc, c.id desc
	limit callmend_limit($4::text, 200) + 1
), shown as (
	select * from page order by last_seen desc, id desc limit callmend_limit($4::text, 200)
)
select json_build_object(
	'contacts', (select coalesce(json_agg(callmend_contact(row(s.*)::contacts) order by last_seen desc, id desc), '[]') from shown s),
	'next_cursor', case when (select count(*) from page) > callmend_limit($4::text, 200) then
		(select callmend_cursor(callmend_time(last_seen), id::text) from shown order by last_seen, id limit 1) end)
