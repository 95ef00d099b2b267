-- write: what a booked request has really cost.
-- $1 org  $2 model  $3 day  $4 US dollars booked  $5 tokens sent  $6 tokens received  $7 US dollars
-- true
select to_jsonb(true) from callmend_model_settle($1::uuid, $2::text, $3::date, $4::numeric, $5::bigint, $6::bigint, $7::numeric)
