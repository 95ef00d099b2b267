-- read: context items, the latest first.
-- $1 org  $2 contact number  $3 conversation id  $4 closed and expired ones too (true or false, null: false)  $5 cursor  $6 limit
-- {"items": [item], "next_cursor": text or null}
with page as (
	select i.* from context_items i, callmend_uncursor($5::text, 2) as k
	where i.org_id = $1::uuid
		and ($2::text is null or i.contact_number = $2::text)
		and ($3::uuid is null or i.conversation_id = $3::uuid)
		and (coalesce($4::boolean, false) or (i.closed_at is null and (i.expires_at is null or i.expires_at > now())))
		and (k is null or (i.created_at, i.id) < (k[1]::timestamptz, k[2]::uuid))
	order by i.created_at desc, i.id desc
	limit callmend_limit($6::text, 200) + 1
), shown as (
	select * from page order by created_at desc, id desc limit callmend_limit($6::text, 200)
)
select json_build_object(
	'items', (select coalesce(json_agg(callmend_context_item(row(s.*)::context_items) order by created_at desc, id desc), '[]') from shown s),
	'next_cursor', case when (select count(*) from page) > callmend_limit($6::text, 200) then
		(select callmend_cursor(callmend_time(created_at), id::text) from shown order by created_at, id limit 1) end)
