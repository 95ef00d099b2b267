-- write: marks a notification as read; who read it first stays.
-- $1 org  $2 actor  $3 notification id  $4 reason
-- notification
with old as (
	select n.id, n.read_at, callmend_notification(n) as doc from notifications n
	where n.org_id = $1::uuid and n.id = callmend_uuid($3::text) for update
), new as (
	update notifications n set read_at = now(), read_by = $2::text from old where n.id = old.id and old.read_at is null
	returning n.id, callmend_notification(n) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'read', 'notification', new.id, old.doc, new.doc, $4::text from old, new
)
select coalesce(new.doc, old.doc) from old left join new on true
