-- read: searches that failed or found nothing (B2), grouped by project, tool and term, the most frequent first; every filter may be null.
-- $1 org  $2 from (time)  $3 to (time)  $4 project id  $5 tool name  $6 without a mapping in use only (true or false)  $7 at least so often
-- $8 limit (1 to 200, default 50)
-- {"searches": [{"project_id","tool","term","count","found_nothing","first_at","last_at",
--   "contexts": [{"call_id","tool_call_id","query","context","at"}] (the last 5),"mapping": mapping or null}]}
with grouped as (
	select s.project_id, s.tool, s.term, count(*) as n, count(*) filter (where s.empty) as nothing, min(s.at) as first, max(s.at) as last
	from search_failures s
	where s.org_id = $1::uuid
		and ($2::timestamptz is null or s.at >= $2::timestamptz)
		and ($3::timestamptz is null or s.at < $3::timestamptz)
		and ($4::uuid is null or s.project_id = $4::uuid)
		and ($5::text is null or s.tool = $5::text)
		and (not coalesce($6::boolean, false) or not exists (select from search_term_mappings m
			where m.project_id = s.project_id and m.search_term = s.term and m.active))
	group by s.project_id, s.tool, s.term
	having count(*) >= coalesce($7::bigint, 1)
	order by count(*) desc, max(s.at) desc, s.project_id, s.tool, s.term
	limit callmend_limit($8::text, 200)
)
select json_build_object('searches', (select coalesce(json_agg(json_build_object('project_id', g.project_id, 'tool', g.tool,
	'term', g.term, 'count', g.n, 'found_nothing', g.nothing, 'first_at', callmend_time(g.first), 'last_at', callmend_time(g.last),
	'contexts', (select json_agg(json_build_object('call_id', x.call_id, 'tool_call_id', x.tool_call_id, 'query', x.query,
			'context', x.context, 'at', callmend_time(x.at)) order by x.at desc, x.tool_call_id)
		from (select * from search_failures s where s.project_id = g.project_id and s.tool = g.tool and s.term = g.term
			and s.at between g.first and g.last
			order by s.at desc, s.tool_call_id limit 5) x),
	'mapping', (select callmend_mapping(m) from search_term_mappings m where m.project_id = g.project_id and m.search_term = g.term
		order by m.active desc, m.reviewed_at is null desc, m.created_at desc limit 1))
	order by g.n desc, g.last desc, g.project_id, g.tool, g.term), '[]') from grouped g))
