-- write: puts a project away. Refused while sources use it (P0001).
-- $1 org  $2 actor  $3 project id  $4 reason
-- project
select callmend_project_archive($1::uuid, $2::text, callmend_uuid($3::text), $4::text)
