-- write: deletes a recording; its row goes when its file is gone.
-- $1 org  $2 actor  $3 recording  $4 reason
-- {"id","file"}; the file is to be deleted
with old as (
	select r.*, callmend_recording(r) as doc from recordings r
	where r.org_id = $1::uuid and r.id = callmend_uuid($3::text) and r.state <> 'expired' for update
), allowed as (
	select old.* from old where case when old.state in ('recording', 'processing')
		then callmend_conflict('the recording is still being made') is not null else true end
), gone as (
	update recordings r set state = 'expired', expires_at = now(), peaks = null, updated_at = now()
	from allowed where r.id = allowed.id returning r.id, r.file
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, reason)
	select $1::uuid, $2::text, 'delete', 'recording', allowed.id::text, allowed.doc::jsonb, $4::text from allowed, gone
)
select json_build_object('id', gone.id, 'file', gone.file) from gone
