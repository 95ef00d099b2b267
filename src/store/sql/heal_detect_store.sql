-- write: the result of a check, and the end of its job.
-- $1 owner  $2 key: project id  $3 wanted  $4 {"org","calls","detection","open","renew","close","suggest","impacts"}
-- {"opened","closed"}
select callmend_heal_detected($1::text, $2::text, $3::bigint, $4::jsonb)
