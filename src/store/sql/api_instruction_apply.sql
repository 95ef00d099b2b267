-- write: asks once more that the provider's assistants be brought to the instructions in force.
-- $1 org  $2 actor  $3 project id  $4 force (true or false, null: false)  $5 reason
-- {"success": true, "jobs": n}; CM001 when there are no instructions
select callmend_instructions_apply($1::uuid, $2::text, callmend_uuid($3::text), $4::boolean, $5::text)
