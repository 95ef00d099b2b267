-- write: an assistant-request was answered: suggestions whose version it is are applied now; as a variable, where the
-- provider's prompt takes it.
-- $1 project  $2 source  $3 the event (instructions.served)
select callmend_served($1::uuid, callmend_uuid(e->'data'->>'instruction_version'), $2::uuid, (e->>'at')::timestamptz),
	callmend_served_as_variable($1::uuid, callmend_uuid(e->'data'->>'variable_version'), $2::uuid, (e->>'at')::timestamptz)
from (select $3::jsonb as e) given
