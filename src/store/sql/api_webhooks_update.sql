-- write: changes a webhook endpoint; absent members stay. "disabled" false switches it on again.
-- $1 org  $2 actor  $3 endpoint id  $4 body  $5 reason
-- endpoint
with old as (
	select e.id, callmend_webhook_endpoint(e) as doc from webhook_endpoints e
	where e.org_id = $1::uuid and e.id = callmend_uuid($3::text) and e.archived_at is null for update
), new as (
	update webhook_endpoints e set
		url = coalesce(b->>'url', e.url),
		secret = coalesce(nullif(b->'secret', 'null'), e.secret),
		types = case when b ? 'types' then coalesce(nullif(b->'types', 'null'), '[]') else e.types end,
		description = case when b ? 'description' then coalesce(b->>'description', '') else e.description end,
		disabled_at = case (b->>'disabled')::boolean when true then coalesce(e.disabled_at, now())
			when false then null else e.disabled_at end,
		disabled_because = case (b->>'disabled')::boolean when true then coalesce(e.disabled_because, 'by ' || $2::text)
			when false then null else e.disabled_because end,
		timeouts = 0, put_off_until = null, updated_at = now()
	from old, (select $4::jsonb as b) given where e.id = old.id
	returning e.id, callmend_webhook_endpoint(e) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'update', 'webhook_endpoint', new.id, old.doc, new.doc, $5::text from old, new
)
select doc from new
