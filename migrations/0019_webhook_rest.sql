-- A receiver that hangs is put off as a whole, so that it does not hold up the others.

alter table webhook_endpoints add column timeouts int not null default 0, add column put_off_until timestamptz;
create index webhook_endpoints_doubtful on webhook_endpoints (id) where timeouts > 0;
comment on column webhook_endpoints.timeouts is 'Attempts in a row that it did not answer in time';
comment on column webhook_endpoints.put_off_until is 'Nothing is sent before: it did not answer in time';

create or replace function callmend_endpoints_busy() returns uuid[] language plpgsql stable as $$
declare
	busy uuid[] := (select coalesce(array_agg(d.endpoint_id), '{}') from jobs j, webhook_deliveries d
		where j.state = 'running' and j.kind = 'deliver' and d.id = callmend_uuid(j.key));
	doubtful boolean := exists (select from webhook_endpoints e where e.id = any (busy) and e.timeouts > 0);
begin
	return busy || (select coalesce(array_agg(e.id), '{}') from webhook_endpoints e
		where e.timeouts > 0 and e.disabled_at is null and e.archived_at is null and (doubtful or e.put_off_until > now()));
end
$$;
comment on function callmend_endpoints_busy() is 'Webhook endpoints to which nothing is sent just now: something is under way, they are put off, or, of those that did not answer in time before, another one is being tried';

create function callmend_endpoint_rest(delivery uuid, rest_ms bigint) returns void language sql as $$
	update webhook_endpoints e set timeouts = case when rest_ms > 0 then e.timeouts + 1 else 0 end,
		put_off_until = case when rest_ms > 0 then now() + rest_ms * interval '1 millisecond' end
	from webhook_deliveries d where d.id = delivery and e.id = d.endpoint_id and (rest_ms > 0 or (rest_ms = 0 and e.timeouts > 0))
$$;
comment on function callmend_endpoint_rest(uuid, bigint) is 'Puts the endpoint of a delivery off that did not answer in time; 0: it answered; null: says nothing about it';

create or replace function callmend_webhook_endpoint(e webhook_endpoints) returns jsonb language sql stable as $$
	select jsonb_build_object('id', e.id, 'url', e.url, 'secret', e.secret, 'types', e.types,
		'description', e.description, 'created_at', callmend_time(e.created_at),
		'updated_at', callmend_time(e.updated_at), 'disabled_at', callmend_time(e.disabled_at),
		'disabled_because', e.disabled_because, 'put_off_until', callmend_time(e.put_off_until),
		'archived_at', callmend_time(e.archived_at))
$$;
