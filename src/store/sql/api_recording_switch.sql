-- write: notes that somebody has paused or resumed the recording of a running call.
-- $1 org  $2 actor  $3 pause or resume  $4 call  $5 reason
-- {"call_id","paused"}
with audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, reason)
	values ($1::uuid, $2::text, $3::text, 'call_recording', $4::text, $5::text)
)
select json_build_object('call_id', $4::uuid, 'paused', $3::text = 'pause')
