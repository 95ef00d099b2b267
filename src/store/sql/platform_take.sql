-- write: begins to ask the platform of a source; null: somebody else does just now.
-- $1 source  $2 who  $3 for how long (ms), unless prolonged
-- {"requests"}
insert into platform_budgets as b (source_id, org_id, holder, held_until)
select s.id, s.org_id, $2::text, now() + $3::bigint * interval '1 millisecond' from sources s where s.id = callmend_uuid($1)
on conflict (source_id) do update set holder = excluded.holder, held_until = excluded.held_until, updated_at = now()
	where b.holder is null or b.holder = excluded.holder or b.held_until < now()
returning json_build_object('requests', b.requests)
