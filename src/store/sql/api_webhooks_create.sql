-- write: makes a webhook endpoint (check the body with directory_check_webhook first).
-- $1 org  $2 actor  $3 body  $4 reason
-- endpoint
with new as (
	insert into webhook_endpoints as e (org_id, url, secret, types, description)
	select $1::uuid, b->>'url', b->'secret', coalesce(nullif(b->'types', 'null'), '[]'), coalesce(b->>'description', '')
	from (select $3::jsonb as b) given
	returning e.id, callmend_webhook_endpoint(e) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'webhook_endpoint', new.id, new.doc, $4::text from new
)
select doc from new
