-- write: puts a webhook endpoint away; what is on its way to it is not sent.
-- $1 org  $2 actor  $3 endpoint id  $4 reason
-- endpoint
with old as (
	select e.id, callmend_webhook_endpoint(e) as doc from webhook_endpoints e
	where e.org_id = $1::uuid and e.id = callmend_uuid($3::text) and e.archived_at is null for update
), new as (
	update webhook_endpoints e set archived_at = now(), updated_at = now() from old where e.id = old.id
	returning e.id, callmend_webhook_endpoint(e) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'archive', 'webhook_endpoint', new.id, old.doc, new.doc, $4::text from old, new
)
select doc from new
