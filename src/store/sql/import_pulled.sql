-- read: up to when the finished calls of a source were pulled without a gap, from where the first pull began. Those that bring
-- what a session has missed are none.
-- $1 source
-- {"until": time or null}
with done as (
	select i.since, i.until, i.finished_at, i.id,
		max(i.until) over (order by i.since, i.until, i.id rows between unbounded preceding and 1 preceding) as reached
	from imports i where i.source_id = $1::uuid and i.state = 'done' and i.since is not null and i.until is not null
		and i.name <> 'missed'
), pulls as (
	select until, finished_at, id, count(*) filter (where since > reached) over (order by since, until, id) as stretch from done
)
select json_build_object('until', callmend_time(max(p.until))) from pulls p
where p.stretch = (select f.stretch from pulls f order by f.finished_at, f.id limit 1)
