-- read: of texts that a platform was asked for those that were told before, whichever session their conversation had then.
-- $1 [{"call","id"}]  $2 none of them is older
-- {id: [states that were told of it]}
with asked as materialized (
	select distinct x.call, x.id from jsonb_to_recordset($1::jsonb) x(call uuid, id text)
), told as (
	select a.id, coalesce(json_agg(distinct e.data->>'state') filter (where e.type = 'text.delivery'), '[]') as states
	from asked a join call_events e on e.call_id = a.call and e.data->>'message_id' = a.id
	where e.type in ('message', 'text.delivery')
		-- Days are of arrival, by another clock than the platform's.
		and e.day >= ($2::timestamptz at time zone 'UTC')::date - 1
	group by a.id having bool_or(e.type = 'message')
)
select coalesce(json_object_agg(id, states), '{}') from told
