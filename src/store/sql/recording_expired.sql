-- write: recordings whose time is over, and those deleted whose files were not yet; 200 at most.
-- [{"id","file","call_id","sources"}]
with due as (
	select r.id from recordings r where r.expires_at < now() order by r.expires_at limit 200 for update skip locked
), over as (
	update recordings r set state = 'expired', updated_at = now() from due where r.id = due.id
	returning r.id, r.file, r.call_id, r.sources
)
select coalesce(json_agg(json_build_object('id', o.id, 'file', o.file, 'call_id', o.call_id, 'sources', o.sources)), '[]') from over o
