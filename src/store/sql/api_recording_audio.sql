-- write: where the sound of a recording is. That somebody listens is audited, once an hour: players ask for many pieces.
-- $1 org  $2 actor  $3 recording
-- {"id","call_id","state","file","error"}
with r as (
	select x.* from recordings x
	where x.org_id = $1::uuid and x.id = callmend_uuid($3::text) and x.state <> 'expired'
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new)
	select $1::uuid, $2::text, 'listen', 'recording', r.id::text, jsonb_build_object('call_id', r.call_id) from r
	where r.state = 'ready' and not exists (select from audit_log a where a.org_id = $1::uuid and a.object_kind = 'recording'
		and a.object_id = r.id::text and a.action = 'listen' and a.actor = $2::text and a.at > now() - interval '1 hour')
)
select json_build_object('id', r.id, 'call_id', r.call_id, 'state', r.state, 'file', r.file, 'error', r.error) from r
