-- write: what came of asking the platform for a call (callmend_follow_up_store).
-- $1 source  $2 owner  $3 call  $4 doc
select to_jsonb(true) from (select callmend_follow_up_store($1::text, $2::text, callmend_uuid($3), $4::jsonb)) stored
