-- read: a call by our id or the provider's.
-- $1 org  $2 id
-- call
select callmend_call(c) from calls c where c.id = callmend_call_id($1::uuid, $2::text)
