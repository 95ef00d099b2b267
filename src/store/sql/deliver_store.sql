-- write: what became of an attempt, of its job, and of its endpoint.
-- $1 delivery  $2 owner  $3 wanted  $4 verdict (delivered retry dead gone dropped settled)  $5 HTTP status  $6 reason  $7 pause in ms
-- $8 ms the endpoint is put off, 0: it answered, null: neither
-- the verdict; "again" for one that somebody has sent again meanwhile instead of giving it up
with done as materialized (
	select callmend_delivery_done($1::uuid, $2, $3::bigint, $4, $5::int, $6, $7::bigint) as verdict
)
select to_jsonb(done.verdict) from done, callmend_endpoint_rest($1::uuid, $8::bigint)
