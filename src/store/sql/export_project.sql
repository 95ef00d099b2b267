-- read: the projects that a word names.
-- $1 id or name  $2 organisation, null: any
-- {"ids": [..]}
select json_build_object('ids', coalesce(json_agg(p.id order by p.id), '[]'))
from projects p where (p.id::text = $1::text or p.name = $1::text) and ($2::uuid is null or p.org_id = $2::uuid)
