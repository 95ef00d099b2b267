-- read: the projects that a word names.
-- $1 id or name
-- {"ids": [..]}
select json_build_object('ids', coalesce(json_agg(p.id order by p.id), '[]'))
from projects p where p.id::text = $1::text or p.name = $1::text
