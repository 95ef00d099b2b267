-- read: what was learned (B5; formulas in docs/mappings.md). Without from: 28 days before to; without to: now.
-- $1 org  $2 from (time)  $3 to (time)  $4 status of the call  $5 tool name  $6 project id
-- {"from","to","weeks": [{"week","learned","approved","refused"}],"learned","approved","learned_per_week",
--  "accuracy": {"used","successful","rate","target": 0.8,"met"},"mappings": {"active","waiting"},
--  "still_failing": [{"project_id","tool","term","count"}] (the 20 most frequent),
--  "found_nothing": {"before": {"from","to","searches","found_nothing","rate"},"after": {..},"change","halved"}}
with given as (
	select coalesce($3::timestamptz, now()) as upto,
		coalesce($2::timestamptz, coalesce($3::timestamptz, now()) - interval '28 days') as since
), learned as (
	select m.* from search_term_mappings m, given g
	where m.org_id = $1::uuid and m.source <> 'manual' and m.created_at >= g.since and m.created_at < g.upto
		and ($6::uuid is null or m.project_id = $6::uuid)
), weeks as (
	select to_char(date_trunc('week', created_at at time zone 'UTC'), 'YYYY-MM-DD') as week, count(*) as learned,
		count(*) filter (where approved) as approved, count(*) filter (where not approved) as refused
	from learned group by 1
), uses as (
	select count(*) as used, count(*) filter (where t.success) as successful
	from tool_calls t join search_term_mappings m on m.id = t.mapping_id, given g
	where t.org_id = $1::uuid and m.source <> 'manual' and t.success is not null
		and t.requested_at >= g.since and t.requested_at < g.upto
		and ($4::text is null or exists (select from calls c where c.id = t.call_id and c.status = $4::text))
		and ($5::text is null or t.tool = $5::text) and ($6::uuid is null or t.project_id = $6::uuid)
), failing as (
	select s.project_id, s.tool, s.term, count(*) as n from search_failures s, given g
	where s.org_id = $1::uuid and s.at >= g.since and s.at < g.upto
		and ($4::text is null or exists (select from calls c where c.id = s.call_id and c.status = $4::text))
		and ($5::text is null or s.tool = $5::text) and ($6::uuid is null or s.project_id = $6::uuid)
		and not exists (select from search_term_mappings m where m.project_id = s.project_id and m.search_term = s.term and m.active)
	group by s.project_id, s.tool, s.term order by count(*) desc, s.project_id, s.tool, s.term limit 20
), searches as (
	select t.requested_at >= g.since as after, count(*) as n,
		count(*) filter (where exists (select from search_failures s where s.tool_call_id = t.id and s.empty)) as nothing
	from tool_calls t, given g
	where t.org_id = $1::uuid and t.success is not null
		and t.requested_at >= g.since - (g.upto - g.since) and t.requested_at < g.upto
		and exists (select from tool_definitions d where d.project_id = t.project_id and d.name = t.tool and d.search_argument <> '')
		and ($4::text is null or exists (select from calls c where c.id = t.call_id and c.status = $4::text))
		and ($5::text is null or t.tool = $5::text) and ($6::uuid is null or t.project_id = $6::uuid)
	group by 1
), rates as (
	select side, coalesce(s.n, 0) as n, coalesce(s.nothing, 0) as nothing, round(s.nothing::numeric / nullif(s.n, 0), 4) as rate
	from (values (false), (true)) as x(side) left join searches s on s.after = x.side
)
select json_build_object('from', callmend_time(g.since), 'to', callmend_time(g.upto),
	'weeks', (select coalesce(json_agg(json_build_object('week', week, 'learned', learned, 'approved', approved, 'refused', refused)
		order by week), '[]') from weeks),
	'learned', (select count(*) from learned), 'approved', (select count(*) from learned where approved),
	'learned_per_week', (select round(count(*) * 604800.0 / greatest(extract(epoch from g.upto - g.since), 1), 2) from learned),
	'accuracy', (select json_build_object('used', used, 'successful', successful, 'rate', round(successful::numeric / nullif(used, 0), 4),
		'target', 0.8, 'met', case when used > 0 then successful > 0.8 * used end) from uses),
	'mappings', (select json_build_object('active', count(*) filter (where m.active), 'waiting', count(*) filter (where m.reviewed_at is null))
		from search_term_mappings m where m.org_id = $1::uuid and ($6::uuid is null or m.project_id = $6::uuid)),
	'still_failing', (select coalesce(json_agg(json_build_object('project_id', project_id, 'tool', tool, 'term', term, 'count', n)
		order by n desc, project_id, tool, term), '[]') from failing),
	'found_nothing', (select json_build_object(
		'before', json_build_object('from', callmend_time(g.since - (g.upto - g.since)), 'to', callmend_time(g.since),
			'searches', b.n, 'found_nothing', b.nothing, 'rate', b.rate),
		'after', json_build_object('from', callmend_time(g.since), 'to', callmend_time(g.upto),
			'searches', a.n, 'found_nothing', a.nothing, 'rate', a.rate),
		'change', a.rate - b.rate, 'halved', a.rate <= b.rate / 2)
		from rates a, rates b where a.side and not b.side))
from given g
