-- read: what is known of a caller just now (A8).
-- $1 org  $2 number, or null  $3 conversation id, or null
-- {"items": [{"id","kind","title","text"}]}
select json_build_object('items', callmend_context_open($1::uuid, nullif($2::text, ''), $3::uuid))
