-- read: what a suggestion is made of.
-- $1 key: issue:<id> or project:<id>  $2 days, $3 calls at most, unless the project has its own thresholds
-- callmend_heal_bundle(); null: the issue is not open (any more), or there is no such project
select callmend_heal_bundle(p.id, callmend_uuid(substr($1::text, 7)), $2::int, $3::int)
from projects p where p.id = callmend_heal_project_of($1::text) and p.archived_at is null
