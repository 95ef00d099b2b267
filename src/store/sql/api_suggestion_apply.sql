-- write: tries once more to bring an accepted suggestion to its sources.
-- $1 org  $2 actor  $3 project id  $4 suggestion id  $5 force (true or false, null: false)  $6 reason
-- {"success": true, "jobs": n, "suggestion"}; CM001 when it is not accepted, or was rolled back
select callmend_suggestion_apply($1::uuid, $2::text, callmend_uuid($3::text), callmend_uuid($4::text),
	coalesce($5::boolean, false), $6::text)
