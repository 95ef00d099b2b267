-- What people and other systems are told.

create table activities (
	id bigint generated always as identity primary key,
	org_id uuid not null,
	project_id uuid,
	at timestamptz not null default now(),
	kind text not null,
	actor text not null,
	object_kind text not null,
	object_id text not null,
	title text not null,
	data jsonb not null default '{}'
);
create index activities_org on activities (org_id, id desc);
create index activities_project on activities (project_id, id desc);
comment on table activities is 'Every step of the loop: generation, acceptance, rejection, application, roll-back (C5)';
comment on column activities.id is 'Grows with time';
comment on column activities.org_id is 'Organisation';
comment on column activities.project_id is 'Project';
comment on column activities.at is 'When';
comment on column activities.kind is 'issue.opened issue.closed suggestion.created suggestion.accepted suggestion.rejected suggestion.applied suggestion.failed instructions.rolled_back mapping.proposed mapping.reviewed impact.measured';
comment on column activities.actor is 'Who: token:<name>, analyst, model:<name>';
comment on column activities.object_kind is 'issue suggestion mapping instruction_version';
comment on column activities.object_id is 'Which one';
comment on column activities.title is 'One line';
comment on column activities.data is 'Members by kind';

create table notifications (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	project_id uuid,
	type text not null,
	title text not null,
	message text not null,
	priority text not null check (priority in ('high', 'medium', 'low')),
	link text,
	metadata jsonb not null default '{}',
	created_at timestamptz not null default now(),
	read_at timestamptz,
	read_by text
);
create index notifications_org on notifications (org_id, created_at desc, id desc);
comment on table notifications is 'What people should look at (C5)';
comment on column notifications.id is 'Identity';
comment on column notifications.org_id is 'Organisation';
comment on column notifications.project_id is 'Project';
comment on column notifications.type is 'instruction_suggestion suggestion_applied suggestion_failed tool_failure mapping_proposed analysis_dead webhook_disabled';
comment on column notifications.title is 'One line';
comment on column notifications.message is 'What happened and what to do';
comment on column notifications.priority is 'high, medium or low';
comment on column notifications.link is 'Path of the API where it can be dealt with';
comment on column notifications.metadata is '{projectId, suggestionId, priority, expectedImpact, ...}';
comment on column notifications.created_at is 'When';
comment on column notifications.read_at is 'When somebody marked it as read';
comment on column notifications.read_by is 'Who';

create table webhook_endpoints (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	url text not null check (url ~* '^https?://' and length(url) <= 2000),
	secret jsonb not null,
	types jsonb not null default '[]' check (jsonb_typeof(types) = 'array'),
	description text not null default '',
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	disabled_at timestamptz,
	disabled_because text,
	archived_at timestamptz
);
create index webhook_endpoints_org on webhook_endpoints (org_id) where archived_at is null;
comment on table webhook_endpoints is 'Where notifications are sent, signed as Standard Webhooks';
comment on column webhook_endpoints.id is 'Identity';
comment on column webhook_endpoints.org_id is 'Organisation';
comment on column webhook_endpoints.url is 'Where to';
comment on column webhook_endpoints.secret is 'Reference to the signing secret, {"env"} or {"file"}, or an array of two while it is rotated; its value is whsec_<base64>';
comment on column webhook_endpoints.types is 'Types of notifications wanted; empty: all';
comment on column webhook_endpoints.description is 'For people';
comment on column webhook_endpoints.created_at is 'When it was made';
comment on column webhook_endpoints.updated_at is 'When it was last changed';
comment on column webhook_endpoints.disabled_at is 'When it was switched off: by a person, by 410, or after too many failures';
comment on column webhook_endpoints.disabled_because is 'Why';
comment on column webhook_endpoints.archived_at is 'When it was put away';

create table webhook_deliveries (
	id uuid primary key,
	endpoint_id uuid not null references webhook_endpoints,
	notification_id uuid not null references notifications,
	org_id uuid not null,
	type text not null,
	body jsonb not null,
	state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
	attempts int not null default 0,
	next_at timestamptz,
	last_status int,
	last_error text,
	created_at timestamptz not null default now(),
	delivered_at timestamptz
);
create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, created_at desc, id desc);
comment on table webhook_deliveries is 'Each notification to each endpoint, and what became of it';
comment on column webhook_deliveries.id is 'webhook-id: the same at every attempt';
comment on column webhook_deliveries.endpoint_id is 'Endpoint';
comment on column webhook_deliveries.notification_id is 'Notification';
comment on column webhook_deliveries.org_id is 'Organisation';
comment on column webhook_deliveries.type is 'Type of the notification';
comment on column webhook_deliveries.body is '{type, timestamp, data}';
comment on column webhook_deliveries.state is 'pending, delivered or dead (given up)';
comment on column webhook_deliveries.attempts is 'Attempts so far';
comment on column webhook_deliveries.next_at is 'When the next attempt is due';
comment on column webhook_deliveries.last_status is 'HTTP status of the last attempt';
comment on column webhook_deliveries.last_error is 'What went wrong at the last attempt';
comment on column webhook_deliveries.created_at is 'When';
comment on column webhook_deliveries.delivered_at is 'When it was taken with 2xx';

create function callmend_notify(org uuid, project uuid, kind text, heading text, body text, how text, where_to text,
	meta jsonb) returns uuid language plpgsql as $$
declare
	made notifications;
begin
	insert into notifications (org_id, project_id, type, title, message, priority, link, metadata)
		values (org, project, kind, heading, body, how, where_to, coalesce(meta, '{}')) returning * into made;
	perform callmend_deliver(e, made) from webhook_endpoints e
		where e.org_id = org and e.archived_at is null and e.disabled_at is null
			and (e.types = '[]' or e.types ? kind);
	perform pg_notify('callmend_notification', made.id::text);
	return made.id;
end
$$;
comment on function callmend_notify(uuid, uuid, text, text, text, text, text, jsonb) is 'Tells people: a notification, its deliveries, and the live socket';

create function callmend_notification(n notifications) returns jsonb language sql stable as $$
	select jsonb_build_object('id', n.id, 'org_id', n.org_id, 'project_id', n.project_id, 'type', n.type,
		'title', n.title, 'message', n.message, 'priority', n.priority, 'link', n.link,
		'metadata', n.metadata, 'created_at', callmend_time(n.created_at),
		'read_at', callmend_time(n.read_at), 'read_by', n.read_by)
$$;
comment on function callmend_notification(notifications) is 'A notification as JSON';

create function callmend_deliver(e webhook_endpoints, n notifications) returns void language plpgsql as $$
declare
	delivery uuid := callmend_uuid_v7();
begin
	insert into webhook_deliveries (id, endpoint_id, notification_id, org_id, type, body, next_at)
	values (delivery, e.id, n.id, n.org_id, n.type, jsonb_build_object('type', n.type,
		'timestamp', callmend_time(n.created_at), 'data', callmend_notification(n)), now());
	perform callmend_job('deliver', delivery::text, n.org_id, null, 0);
end
$$;
comment on function callmend_deliver(webhook_endpoints, notifications) is 'A notification on its way to an endpoint';

create function callmend_webhook_endpoint(e webhook_endpoints) returns jsonb language sql stable as $$
	select jsonb_build_object('id', e.id, 'url', e.url, 'secret', e.secret, 'types', e.types,
		'description', e.description, 'created_at', callmend_time(e.created_at),
		'updated_at', callmend_time(e.updated_at), 'disabled_at', callmend_time(e.disabled_at),
		'disabled_because', e.disabled_because, 'archived_at', callmend_time(e.archived_at))
$$;
comment on function callmend_webhook_endpoint(webhook_endpoints) is 'An endpoint as JSON; its secret is a reference';

create function callmend_webhook_delivery(d webhook_deliveries) returns jsonb language sql stable as $$
	select jsonb_build_object('id', d.id, 'endpoint_id', d.endpoint_id, 'notification_id', d.notification_id,
		'type', d.type, 'body', d.body, 'state', d.state, 'attempts', d.attempts,
		'next_at', callmend_time(d.next_at), 'last_status', d.last_status, 'last_error', d.last_error,
		'created_at', callmend_time(d.created_at), 'delivered_at', callmend_time(d.delivered_at))
$$;
comment on function callmend_webhook_delivery(webhook_deliveries) is 'A delivery as JSON';

create function callmend_webhook_disable(endpoint uuid, why text) returns void language plpgsql as $$
declare
	e webhook_endpoints;
begin
	update webhook_endpoints set disabled_at = now(), disabled_because = why, updated_at = now()
		where id = endpoint and disabled_at is null and archived_at is null returning * into e;
	if found then
		perform callmend_notify(e.org_id, null, 'webhook_disabled', 'Webhook switched off: ' || left(e.url, 100),
			format('No notifications are sent to %s any more: %s. Switch it on again: PATCH %s with '
				'{"disabled": false}.', e.url, why, '/api/v1/webhook-endpoints/' || e.id),
			'high', '/api/v1/webhook-endpoints/' || e.id, jsonb_build_object('endpointId', e.id, 'reason', why));
	end if;
end
$$;
comment on function callmend_webhook_disable(uuid, text) is 'Switches an endpoint off and tells people elsewhere';

create function callmend_activity(org uuid, project uuid, what text, who text, object text, object_key text, heading text,
	more jsonb) returns void language sql volatile as $$
	insert into activities (org_id, project_id, kind, actor, object_kind, object_id, title, data)
	values (org, project, what, who, object, object_key, heading, coalesce(more, '{}'))
$$;
comment on function callmend_activity(uuid, uuid, text, text, text, text, text, jsonb) is 'Records a step of the loop';

create function callmend_delivery_done(delivery uuid, who text, seen bigint, verdict text, http_status int, why text,
	pause_ms bigint) returns text language plpgsql as $$
declare
	endpoint uuid;
	tried int := case when verdict in ('dropped', 'settled') then 0 else 1 end;
begin
	if verdict = 'retry' then
		perform callmend_job_later('deliver', delivery::text, who, pause_ms);
	else
		perform callmend_job_done('deliver', delivery::text, who, seen);
	end if;
	if verdict = 'settled' then
		return verdict;
	end if;
	-- Two that are given up at the same moment see each other.
	if verdict in ('dead', 'gone') then
		perform from webhook_endpoints e where e.id = (select d.endpoint_id from webhook_deliveries d where d.id = delivery)
			for update;
	end if;
	update webhook_deliveries d set attempts = d.attempts + tried,
		state = case verdict when 'delivered' then 'delivered' when 'retry' then 'pending' else 'dead' end,
		next_at = case when verdict = 'retry' then now() + pause_ms * interval '1 millisecond' end,
		last_status = case when tried = 1 then http_status else d.last_status end,
		last_error = why, delivered_at = case when verdict = 'delivered' then now() end
	where d.id = delivery returning d.endpoint_id into endpoint;
	if verdict = 'gone' then
		perform callmend_webhook_disable(endpoint, 'the receiver answered 410 Gone');
	elsif verdict = 'dead' and 5 = (select count(*) filter (where last.state = 'dead') from (
			select d.state from webhook_deliveries d where d.endpoint_id = endpoint and d.state <> 'pending'
			order by d.created_at desc, d.id desc limit 5) last) then
		perform callmend_webhook_disable(endpoint, 'its last 5 deliveries were given up, the last because: '
			|| coalesce(why, 'unknown'));
	end if;
	return verdict;
end
$$;
comment on function callmend_delivery_done(uuid, text, bigint, text, int, text, bigint) is 'Stores what became of an attempt together with the end of its job';
