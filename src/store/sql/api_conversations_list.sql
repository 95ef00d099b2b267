-- read: conversations, the one with the latest news first; every filter may be null.
-- $1 org  $2 project id  $3 customer (part of the number)  $4 from (time)  $5 to (time)  $6 cursor  $7 limit (1 to 200, default 50)
-- {"conversations": [conversation], "next_cursor": text or null}; from and to are of the latest news
with page as (
	select c.id, c.last_at, callmend_conversation(c) as doc from conversations c, callmend_uncursor($6::text, 2) as k
	where c.org_id = $1::uuid
		and ($2::uuid is null or c.project_id = $2::uuid)
		and ($3::text is null or c.customer_number like callmend_part($3::text))
		and ($4::timestamptz is null or c.last_at >= $4::timestamptz)
		and ($5::timestamptz is null or c.last_at < $5::timestamptz)
		and (k is null or (c.last_at, c.id) < (k[1]::timestamptz, k[2]::uuid))
	order by c.last_at desc, c.id desc
	limit callmend_limit($7::text, 200) + 1
), shown as (
	select * from page order by last_at desc, id desc limit callmend_limit($7::text, 200)
)
select json_build_object(
	'conversations', (select coalesce(json_agg(doc order by last_at desc, id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($7::text, 200) then
		(select callmend_cursor(callmend_time(last_at), id::text) from shown order by last_at, id limit 1) end)
