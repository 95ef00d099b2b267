-- write: an assistant-request was answered: suggestions whose version it is are applied now.
-- $1 project  $2 source  $3 the event (instructions.served)
select callmend_served($1::uuid, callmend_uuid(e->'data'->>'instruction_version'), $2::uuid, (e->>'at')::timestamptz)
from (select $3::jsonb as e) given
