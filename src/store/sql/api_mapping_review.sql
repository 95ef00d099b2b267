-- write: reviews a mapping (B4): approved, it is in use from now on.
-- $1 org  $2 actor  $3 mapping id  $4 approved (true or false)  $5 reason
-- mapping; another one in use for the same term: conflict
select callmend_mapping_change($1::uuid, $2::text, callmend_uuid($3::text), $4::boolean, 'review', $5::text)
