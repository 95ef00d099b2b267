-- write: sends a delivery (again), now, from its first attempt on; the webhook-id stays, by which receivers know it.
-- $1 org  $2 actor  $3 endpoint id  $4 delivery id  $5 reason
-- delivery; refused when the endpoint is switched off or put away
-- The job first, as whoever stores what became of an attempt, or gives it up.
with job as materialized (
	select j.key from jobs j where j.org_id = $1::uuid and j.kind = 'deliver' and j.key = callmend_uuid($4::text)::text for update
), old as (
	select d.id, d.org_id, callmend_webhook_delivery(d) as doc, e.disabled_at is not null or e.archived_at is not null as off
	from (select count(*) from job) first, webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id
	where d.org_id = $1::uuid and e.id = callmend_uuid($3::text) and d.id = callmend_uuid($4::text) for update of d
), new as (
	update webhook_deliveries d set state = 'pending', attempts = 0, next_at = now(), delivered_at = null
	from old where d.id = old.id and not old.off
	returning d.id, callmend_webhook_delivery(d) as doc, callmend_job('deliver', d.id::text, d.org_id, null, 0)
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'resend', 'webhook_delivery', new.id, old.doc, new.doc, $5::text from old, new
)
select doc from new
union all
select callmend_conflict('the endpoint is switched off') from old where old.off
