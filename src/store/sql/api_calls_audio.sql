-- write: the audit log's line for live audio that was linked to a call, or listened to, and for a call that was placed.
-- $1 org  $2 actor  $3 action (link, listen, place)  $4 call  $5 what more: {"from"}, {"leg"} ...  $6 reason
-- {"call", ...$5}
with audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	values ($1::uuid, $2::text, $3::text, 'audio', $4::text, $5::jsonb, $6::text)
)
select (jsonb_build_object('call', $4::text) || $5::jsonb)::json
