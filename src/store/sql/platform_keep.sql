-- write: goes on asking; null: it is somebody else's.
-- $1 source  $2 who  $3 for how long (ms); 0: he is done  $4 requests or null: as they were
update platform_budgets b set holder = case when $3::bigint > 0 then b.holder end,
	held_until = now() + $3::bigint * interval '1 millisecond', requests = coalesce($4::jsonb, b.requests), updated_at = now()
where b.source_id = callmend_uuid($1) and b.holder = $2::text
returning to_jsonb(true)
