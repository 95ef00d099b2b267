-- read: deliveries of an endpoint, newest first; no row when there is no such endpoint.
-- $1 org  $2 endpoint id  $3 state  $4 cursor  $5 limit (1 to 200, default 50)
-- {"deliveries": [delivery], "next_cursor"}
with page as (
	select d.* from webhook_deliveries d, callmend_uncursor($4::text, 2) as k
	where d.org_id = $1::uuid and d.endpoint_id = callmend_uuid($2::text) and ($3::text is null or d.state = $3::text)
		and (k is null or (d.created_at, d.id) < (k[1]::timestamptz, k[2]::uuid))
	order by d.created_at desc, d.id desc
	limit callmend_limit($5::text, 200) + 1
), shown as (
	select * from page order by created_at desc, id desc limit callmend_limit($5::text, 200)
)
select json_build_object(
	'deliveries', (select coalesce(json_agg(callmend_webhook_delivery(d) order by d.created_at desc, d.id desc), '[]')
		from webhook_deliveries d where d.id in (select id from shown)),
	'next_cursor', case when (select count(*) from page) > callmend_limit($5::text, 200)
		then (select callmend_cursor(created_at::text, id::text) from shown order by created_at, id limit 1) end)
from webhook_endpoints e where e.org_id = $1::uuid and e.id = callmend_uuid($2::text)
