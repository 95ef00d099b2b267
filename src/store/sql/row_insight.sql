-- write: what the platform's own analysis says of a call.
-- $1 org  $2 call  $3 the event (insight)
select callmend_insight_put($1::uuid, $2::uuid, coalesce(e->'data'->>'kind', ''), coalesce(e->'data'->'insight', '{}'),
	(e->>'at')::timestamptz)
from (select $3::jsonb as e) given
