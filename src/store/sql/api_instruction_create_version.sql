-- write: makes a version of a project's instructions and puts it in force.
-- $1 org  $2 actor  $3 project id  $4 body {"sections": [{"name","text"}]} or {"text"}, with "note"  $5 reason
-- version
select callmend_instruction_create($1::uuid, $2::text, callmend_uuid($3::text), $4::jsonb, $5::text)
