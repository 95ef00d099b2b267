-- write: makes a mapping, not in use before it was reviewed (check the body with directory_check_mapping first).
-- $1 org  $2 actor  $3 body {"search_term", "mapped_terms", "source", "project_id"}  $4 reason
-- mapping
select callmend_mapping_create($1::uuid, $2::text, $3::jsonb, $4::text)
