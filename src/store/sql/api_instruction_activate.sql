-- write: puts an earlier version in force again (roll-back).
-- $1 org  $2 actor  $3 project id  $4 version: id or number  $5 reason
-- version
select callmend_instruction_activate($1::uuid, $2::text, callmend_uuid($3::text), $4::text, $5::text)
