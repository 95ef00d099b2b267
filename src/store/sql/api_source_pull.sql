-- write: asks for the finished calls of a source from the provider's API; an analyst does it.
-- $1 org  $2 actor  $3 source  $4 since or null: since the last time  $5 until or null: now  $6 requests a minute or null
-- $7 reason
-- {"kind","key","payload"}: the job; CM001 while one is under way or waits; null: no such source
select callmend_source_pull($1::uuid, $2::text, callmend_uuid($3::text), jsonb_build_object('since', callmend_time($4::timestamptz),
	'until', callmend_time($5::timestamptz), 'rate', $6::int), $7::text)
