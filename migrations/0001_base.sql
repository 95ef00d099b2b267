-- Functions used by everything, organisations, people, tokens, the audit log, the directory's version.
-- Conventions: every table has org_id; times are timestamptz; durations are milliseconds (names end in _ms);
-- ids are UUID version 7 unless said otherwise.

create function callmend_uuid_v7() returns uuid language sql volatile as $$
	select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
		placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
		from 1 for 6), 52, 1), 53, 1), 'hex')::uuid
$$;
comment on function callmend_uuid_v7() is 'A new UUID version 7 (RFC 9562)';

create function callmend_uuid(t text) returns uuid language sql immutable as $$
	select case when t ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then t::uuid end
$$;
comment on function callmend_uuid(text) is 'The UUID a text means, or null: for paths that take one of two kinds of id';

create function callmend_time(t timestamptz) returns text language sql immutable as $$
	select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
comment on function callmend_time(timestamptz) is 'The one form of a time in JSON: 2026-11-21T04:53:00.123456Z';

create function callmend_cursor(variadic parts text[]) returns text language sql immutable as $$
	select translate(encode(convert_to(array_to_string(parts, '|'), 'UTF8'), 'base64'), E'+/=\n', '-_')
$$;
comment on function callmend_cursor(text[]) is 'An opaque cursor from the sort key of the last row of a page';

create function callmend_uncursor(cursor text, n int) returns text[] language plpgsql immutable as $$
declare
	parts text[];
	padded text := translate(cursor, '-_', '+/');
begin
	if cursor is null then
		return null;
	end if;
	begin
		parts := string_to_array(convert_from(decode(padded || repeat('=', (4 - length(padded) % 4) % 4),
			'base64'), 'UTF8'), '|');
	exception when others then
		parts := null;
	end;
	if parts is null or cardinality(parts) <> n then
		raise exception 'cursor: not one that this query gave';
	end if;
	return parts;
end
$$;
comment on function callmend_uncursor(text, int) is 'The sort key in a cursor of n parts; null for null';

create function callmend_limit(t text, most int) returns int language plpgsql immutable as $$
declare
	n int := coalesce(t, '50')::int;
begin
	if n < 1 or n > most then
		raise exception 'limit: must be 1 to %', most;
	end if;
	return n;
end
$$;
comment on function callmend_limit(text, int) is 'A page size within its bounds; 50 when null';

create table organisations (
	id uuid primary key default callmend_uuid_v7(),
	name text not null unique check (name <> ''),
	created_at timestamptz not null default now()
);
comment on table organisations is 'Whoever owns calls; every other row belongs to one';
comment on column organisations.id is 'Identity';
comment on column organisations.name is 'Unique name';
comment on column organisations.created_at is 'When it was made';

insert into organisations (id, name) values ('00000000-0000-7000-8000-000000000001', 'default');

create table users (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	email text not null check (email <> ''),
	name text not null default '',
	role text not null check (role in ('viewer', 'supervisor', 'manager', 'admin')),
	created_at timestamptz not null default now(),
	disabled_at timestamptz,
	unique (org_id, email)
);
comment on table users is 'People';
comment on column users.id is 'Identity';
comment on column users.org_id is 'Organisation';
comment on column users.email is 'Address, unique within the organisation';
comment on column users.name is 'How to call them';
comment on column users.role is 'What they may do: viewer, supervisor, manager or admin';
comment on column users.created_at is 'When the row was made';
comment on column users.disabled_at is 'Since when they may do nothing; null: active';

create table api_tokens (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	name text not null check (name <> ''),
	role text not null check (role in ('viewer', 'supervisor', 'manager', 'admin')),
	hash bytea not null unique check (length(hash) = 32),
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	revoked_at timestamptz,
	last_used_at timestamptz
);
create unique index api_tokens_name on api_tokens (org_id, name) where revoked_at is null;
comment on table api_tokens is 'Bearer tokens of the API; the token itself is shown once and never stored';
comment on column api_tokens.id is 'Identity';
comment on column api_tokens.org_id is 'Organisation it speaks for';
comment on column api_tokens.name is 'Name, unique among those not revoked; appears as actor token:<name>';
comment on column api_tokens.role is 'What it may do: viewer, supervisor, manager or admin';
comment on column api_tokens.hash is 'SHA-256 of the token text';
comment on column api_tokens.created_at is 'When it was made';
comment on column api_tokens.expires_at is 'Until when it is good; null: for ever';
comment on column api_tokens.revoked_at is 'When it was taken back; null: good';
comment on column api_tokens.last_used_at is 'When it was last used, to about a minute; null: never';

create table audit_log (
	id bigint generated always as identity primary key,
	org_id uuid not null references organisations,
	at timestamptz not null default now(),
	actor text not null,
	action text not null,
	object_kind text not null,
	object_id text not null,
	old jsonb,
	new jsonb,
	reason text
);
create index audit_log_org on audit_log (org_id, id desc);
create index audit_log_object on audit_log (object_kind, object_id, id desc);
comment on table audit_log is 'Every change made by somebody: who, what, old and new (I1). Written in the statement that makes the change';
comment on column audit_log.id is 'Grows with time';
comment on column audit_log.org_id is 'Organisation';
comment on column audit_log.at is 'When';
comment on column audit_log.actor is 'Who: token:<name>, cli, rule:<name>';
comment on column audit_log.action is 'What was done: create, update, archive, revoke, activate, feedback';
comment on column audit_log.object_kind is 'To what: source, project, tool, token, instruction_version, tool_call';
comment on column audit_log.object_id is 'To which one';
comment on column audit_log.old is 'As it was before; null: did not exist';
comment on column audit_log.new is 'As it was afterwards';
comment on column audit_log.reason is 'Why, in the words of the actor';

create function callmend_audit_is_final() returns trigger language plpgsql as $$
begin
	raise exception 'audit_log: rows are never changed or deleted';
end
$$;
comment on function callmend_audit_is_final() is 'Refuses changes of the audit log';
create trigger audit_log_is_final before update or delete on audit_log
	for each statement execute function callmend_audit_is_final();

create table directory_version (
	one boolean primary key default true check (one),
	version bigint not null,
	changed_at timestamptz not null default now()
);
comment on table directory_version is 'One row: grows with every change of what the directory is made of (tokens, sources, projects, instructions, tools)';
comment on column directory_version.one is 'Always true: keeps it at one row';
comment on column directory_version.version is 'The number of the present directory';
comment on column directory_version.changed_at is 'When it last grew';
insert into directory_version (version) values (1);

create function callmend_directory_changed() returns trigger language plpgsql as $$
declare
	v bigint;
begin
	update directory_version set version = version + 1, changed_at = now() returning version into v;
	perform pg_notify('callmend_directory', v::text);
	return null;
end
$$;
comment on function callmend_directory_changed() is 'Counts a change of the directory and tells listeners when it commits';

create trigger api_tokens_directory
	after insert or delete or update of org_id, name, role, hash, expires_at, revoked_at on api_tokens
	for each statement execute function callmend_directory_changed();
