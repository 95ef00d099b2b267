-- read: which of these calls are there already, and whether this import brought them.
-- $1 import  $2 JSON array of call ids
-- [{"id","own"}]
select coalesce(json_agg(json_build_object('id', c.id, 'own', coalesce(c.import_id = $1::uuid, false))), '[]')
from jsonb_array_elements_text($2::jsonb) given(id)
join calls c on c.id = given.id::uuid
