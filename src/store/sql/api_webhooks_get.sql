-- read: a webhook endpoint, and how its deliveries do.
-- $1 org  $2 endpoint id
-- endpoint with "deliveries": {"pending","delivered","dead"}, "last_delivered_at"
select callmend_webhook_endpoint(e) || jsonb_build_object(
	'deliveries', (select jsonb_build_object('pending', count(*) filter (where d.state = 'pending'),
			'delivered', count(*) filter (where d.state = 'delivered'), 'dead', count(*) filter (where d.state = 'dead'))
		from webhook_deliveries d where d.endpoint_id = e.id),
	'last_delivered_at', (select callmend_time(max(d.delivered_at)) from webhook_deliveries d where d.endpoint_id = e.id))
from webhook_endpoints e where e.org_id = $1::uuid and e.id = callmend_uuid($2::text)
