-- read: a mapping.
-- $1 org  $2 mapping id
-- mapping
select callmend_mapping(m) from search_term_mappings m where m.org_id = $1::uuid and m.id = callmend_uuid($2::text)
