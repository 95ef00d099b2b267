-- write: what became of an attempt, and of its job.
-- $1 delivery  $2 owner  $3 wanted  $4 verdict (delivered retry dead gone dropped settled)  $5 HTTP status  $6 reason  $7 pause in ms
select to_jsonb(callmend_delivery_done($1::uuid, $2, $3::bigint, $4, $5::int, $6, $7::bigint))
