-- read: work for analysts, last written first; every filter may be null.
-- $1 org  $2 state  $3 kind  $4 cursor  $5 limit (1 to 200, default 50)
-- {"jobs": [job], "next_cursor"}
with page as (
	select j.* from jobs j, callmend_uncursor($4::text, 3) as k
	where j.org_id = $1::uuid and ($2::text is null or j.state = $2::text) and ($3::text is null or j.kind = $3::text)
		and (k is null or (j.updated_at, j.kind, j.key) < (k[1]::timestamptz, k[2], k[3]))
	order by j.updated_at desc, j.kind desc, j.key desc
	limit callmend_limit($5::text, 200) + 1
), shown as (
	select * from page order by updated_at desc, kind desc, key desc limit callmend_limit($5::text, 200)
)
select json_build_object(
	'jobs', (select coalesce(json_agg(callmend_job_doc(j) order by s.updated_at desc, s.kind desc, s.key desc), '[]')
		from shown s join jobs j on j.kind = s.kind and j.key = s.key),
	'next_cursor', case when (select count(*) from page) > callmend_limit($5::text, 200)
		then (select callmend_cursor(updated_at::text, kind, key) from shown order by updated_at, kind, key limit 1) end)
