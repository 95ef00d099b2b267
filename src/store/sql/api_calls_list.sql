-- read: calls, newest first, with filters; every filter may be null.
-- $1 org  $2 project id  $3 status  $4 live (true or false)  $5 outcome  $6 ended class  $7 customer (part of the number or name)
-- $8 from (time)  $9 to (time)  $10 text (part of summary or of what was said)  $11 cursor  $12 limit (1 to 200, default 50)
-- $13 tag, or category:tag
-- {"calls": [call], "next_cursor": text or null}
with page as (
	select c.id, c.started_at, callmend_call(c) as doc from calls c, callmend_uncursor($11::text, 2) as k
	where c.org_id = $1::uuid
		and ($2::uuid is null or c.project_id = $2::uuid)
		and ($3::text is null or c.status = $3::text)
		and ($4::boolean is null or c.live = $4::boolean)
		and ($5::text is null or c.outcome = $5::text)
		and ($6::text is null or c.ended_class = $6::text)
		and ($7::text is null or c.customer_number like callmend_part($7::text)
			or lower(c.customer->>'name') like callmend_part(lower($7::text)))
		and ($8::timestamptz is null or c.started_at >= $8::timestamptz)
		and ($9::timestamptz is null or c.started_at < $9::timestamptz)
		and ($10::text is null or c.id in (
			select s.id from calls s where lower(s.summary) like callmend_part(lower($10::text))
			union all
			select m.call_id from messages m where lower(m.text) like callmend_part(lower($10::text))))
		and ($13::text is null or exists (select from call_tags g where g.call_id = c.id
			and $13::text in (g.tag, g.category || ':' || g.tag)))
		and (k is null or (c.started_at, c.id) < (k[1]::timestamptz, k[2]::uuid))
	order by c.started_at desc, c.id desc
	limit callmend_limit($12::text, 200) + 1
), shown as (
	select * from page order by started_at desc, id desc limit callmend_limit($12::text, 200)
)
select json_build_object(
	'calls', (select coalesce(json_agg(doc order by started_at desc, id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($12::text, 200) then
		(select callmend_cursor(callmend_time(started_at), id::text) from shown order by started_at, id limit 1) end)
