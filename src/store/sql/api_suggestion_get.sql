-- read: one suggestion.
-- $1 org  $2 project id  $3 suggestion id
-- suggestion
select callmend_suggestion(s) from suggestions s
where s.org_id = $1::uuid and s.project_id = callmend_uuid($2::text) and s.id = callmend_uuid($3::text)
