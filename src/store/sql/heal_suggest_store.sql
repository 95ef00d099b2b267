-- write: a suggestion (or that there is none), and the end of its job.
-- $1 owner  $2 key  $3 wanted  $4 {"org","project","suggestion": {...} or null,"why"}
-- {"suggestion": id or null}
select callmend_heal_suggested($1::text, $2::text, $3::bigint, $4::jsonb)
