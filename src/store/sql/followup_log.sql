-- write: the platform's record of a call that a pull met.
-- $1 source  $2 the platform's id of the call  $3 record (callmend_log_put)
-- how many calls
with known as materialized (
	select c.id from calls c where c.source_id = callmend_uuid($1) and c.provider_call_id = $2::text and not c.live
), put as materialized (
	select callmend_log_put(k.id, $3::jsonb) from known k
)
select to_jsonb((select count(*) from put))
