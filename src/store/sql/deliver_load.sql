-- read: $1 delivery. What is to be sent where; the body as the text that is signed.
select jsonb_build_object('url', e.url, 'secret', e.secret, 'body', d.body::text, 'state', d.state, 'attempts', d.attempts,
	'timeouts', e.timeouts,
	'endpoint_off', e.disabled_at is not null or e.archived_at is not null)
from webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id
where d.id = $1::uuid
