-- write: puts a suggestion in force.
-- $1 org  $2 actor  $3 project id  $4 suggestion id  $5 reason
-- {"success": true, "suggestion", "version"}; CM001 when it is not pending or a section has changed under it
select callmend_suggestion_accept($1::uuid, $2::text, callmend_uuid($3::text), callmend_uuid($4::text), $5::text)
