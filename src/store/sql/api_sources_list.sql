-- read: the sources of an organisation, by name.
-- $1 org  $2 archived too (true or false, null: false)
-- {"sources": [source]}
select json_build_object('sources', (select coalesce(json_agg(callmend_source(s) order by lower(s.name), s.id), '[]')
	from sources s where s.org_id = $1::uuid and (s.archived_at is null or coalesce($2::boolean, false))))
