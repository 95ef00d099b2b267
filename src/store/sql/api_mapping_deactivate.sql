-- write: takes a mapping out of use.
-- $1 org  $2 actor  $3 mapping id  $4 reason
-- mapping
select callmend_mapping_change($1::uuid, $2::text, callmend_uuid($3::text), false, 'deactivate', $4::text)
