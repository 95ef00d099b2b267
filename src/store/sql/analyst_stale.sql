-- write: asks for calls again that were understood by an older program or by other settings of their project than today's, the
-- newest first. What a newer program understood stays: while both run, they do not undo each other's work.
-- $1 version of the rules in the program  $2 most  $3 how many days back
-- {"jobs": n}
with today as materialized (
	select p.id, callmend_rules_hash(p) as hash, $1::text || '-' || callmend_rules_hash(p) as rules
	from projects p where p.archived_at is null
), chosen as materialized (
	select a.call_id, a.org_id from today t
	cross join lateral (
		select x.call_id, x.org_id, x.started_at from call_analyses x
		where x.project_id = t.id and (x.rules_version < t.rules or x.rules_version > t.rules)
			and (coalesce(substring(x.rules_version from '^([0-9]{1,9})-')::int, 0) < $1::text::int
				or substring(x.rules_version from '-(.*)') is distinct from t.hash)
			and x.started_at > now() - $3::int * interval '1 day'
	) a
	where exists (select from calls c where c.id = a.call_id and not c.live)
		and not exists (select from jobs j where j.kind = 'analyse' and j.key = a.call_id::text)
	order by a.started_at desc limit $2::int
), asked as materialized (
	select callmend_job('analyse', c.call_id::text, c.org_id, null, 0) from chosen c order by c.call_id
)
select json_build_object('jobs', (select count(*) from asked))
