-- write: books a request to the language model at the most it can cost.
-- $1 org  $2 model  $3 US dollars at most  $4 cap of the day in US dollars  $5 requests of the day at most
-- {"day"}; null: the organisation has reached its cap
select case when callmend_model_reserve($1::uuid, $2::text, $3::numeric, $4::numeric, $5::bigint)
	then jsonb_build_object('day', (now() at time zone 'UTC')::date) end
