-- write: puts the version that the present one was made from (or the given one) in force again.
-- $1 org  $2 actor  $3 project id  $4 version: id or number, null: the parent  $5 reason
-- {"success": true, "version", "from": id, "suggestions": [ids taken back]}; CM001 when there is nothing to go back to
select callmend_instructions_rollback($1::uuid, $2::text, callmend_uuid($3::text), $4::text, $5::text)
