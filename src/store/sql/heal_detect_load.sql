-- read: what detection in a project looks at.
-- $1 project id  $2 days, $3 calls at most, unless the project has its own thresholds
-- callmend_heal_load(); null: no such project
select callmend_heal_load(callmend_uuid($1::text), $2::int, $3::int)
