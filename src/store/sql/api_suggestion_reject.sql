-- write: rejects a suggestion; its changes are not proposed again.
-- $1 org  $2 actor  $3 project id  $4 suggestion id  $5 reason
-- {"success": true, "suggestion"}; CM001 when it is not pending
select callmend_suggestion_reject($1::uuid, $2::text, callmend_uuid($3::text), callmend_uuid($4::text), $5::text, true)
