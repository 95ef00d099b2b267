-- read: the organisations that a word names, at most ten.
-- $1 id or name, null: all
-- {"ids": [..], "names": [..]}
select json_build_object('ids', coalesce(json_agg(o.id order by o.name), '[]'), 'names', coalesce(json_agg(o.name order by o.name), '[]'))
from (select * from organisations where $1::text is null or id::text = $1::text or name = $1::text order by name limit 10) o
