-- What is configured: projects, instructions, tools, sources. Rows are archived, never deleted: calls refer to them.
-- A secret is a reference {"env": "CALLMEND_SECRET_X"} or {"file": "name"}, never a value.

create table projects (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	name text not null check (name <> '' and length(name) <= 200),
	language text not null default 'en' check (language in ('en', 'es', 'auto')),
	settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	archived_at timestamptz
);
create unique index projects_name on projects (org_id, name) where archived_at is null;
comment on table projects is 'What calls are about: thresholds, instructions and tools belong to one';
comment on column projects.id is 'Identity';
comment on column projects.org_id is 'Organisation';
comment on column projects.name is 'Name, unique among those not archived';
comment on column projects.language is 'Language of its calls: en, es or auto';
comment on column projects.settings is 'Thresholds that differ from the defaults, by name';
comment on column projects.created_at is 'When it was made';
comment on column projects.updated_at is 'When it was last changed';
comment on column projects.archived_at is 'When it was put away; null: in use';

create table instructions (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	project_id uuid not null unique references projects,
	current_version uuid,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
comment on table instructions is 'What the assistant of a project is told; points to the version in force';
comment on column instructions.id is 'Identity';
comment on column instructions.org_id is 'Organisation';
comment on column instructions.project_id is 'Project, one each';
comment on column instructions.current_version is 'The version that new calls get';
comment on column instructions.created_at is 'When the first version was made';
comment on column instructions.updated_at is 'When the pointer last moved';

create table instruction_versions (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	project_id uuid not null references projects,
	instruction_id uuid not null references instructions,
	number int not null check (number > 0),
	sections jsonb not null check (jsonb_typeof(sections) = 'array'),
	text text not null check (octet_length(text) <= 262144),
	author text not null,
	parent uuid references instruction_versions,
	note text,
	created_at timestamptz not null default now(),
	unique (project_id, number)
);
alter table instructions add foreign key (current_version) references instruction_versions;
comment on table instruction_versions is 'Snapshots of instructions; never changed once made (F3)';
comment on column instruction_versions.id is 'Identity';
comment on column instruction_versions.org_id is 'Organisation';
comment on column instruction_versions.project_id is 'Project';
comment on column instruction_versions.instruction_id is 'What it is a version of';
comment on column instruction_versions.number is '1, 2, 3 ... within the project';
comment on column instruction_versions.sections is '[{name, text}] in order; a text without sections is one section with an empty name';
comment on column instruction_versions.text is 'The whole text: sections joined by empty lines, a named section under "# name"';
comment on column instruction_versions.author is 'Who made it: token:<name>, cli';
comment on column instruction_versions.parent is 'The version that was current when this one was made';
comment on column instruction_versions.note is 'Why, in the words of the author';
comment on column instruction_versions.created_at is 'When it was made';

create table tool_definitions (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	project_id uuid not null references projects,
	name text not null check (name <> '' and length(name) <= 200),
	description text not null default '',
	url text not null check (url ~* '^https?://'),
	method text not null default 'POST' check (method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
	headers jsonb not null default '[]' check (jsonb_typeof(headers) = 'array'),
	timeout_ms int not null default 10000 check (timeout_ms between 1 and 15000),
	fallback text not null default '',
	success jsonb not null default '{}' check (jsonb_typeof(success) = 'object'),
	result_path text not null default '',
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	archived_at timestamptz
);
create unique index tool_definitions_name on tool_definitions (project_id, name) where archived_at is null;
comment on table tool_definitions is 'HTTP tools that Callmend runs for a project (B1)';
comment on column tool_definitions.id is 'Identity';
comment on column tool_definitions.org_id is 'Organisation';
comment on column tool_definitions.project_id is 'Project';
comment on column tool_definitions.name is 'The name the model calls it by; unique within the project among those not archived';
comment on column tool_definitions.description is 'For people';
comment on column tool_definitions.url is 'Where the request goes';
comment on column tool_definitions.method is 'GET: arguments as query; else as JSON body';
comment on column tool_definitions.headers is '[{name, value} or {name, secret: reference}]';
comment on column tool_definitions.timeout_ms is 'How long to wait, at most 15000 (B1)';
comment on column tool_definitions.fallback is 'What the caller is told when the tool fails; empty: the default';
comment on column tool_definitions.success is 'When an answer counts as success: {status_min, status_max, json_path, pattern, empty_path, empty_pattern}';
comment on column tool_definitions.result_path is 'Dotted path to what goes to the provider; empty: the whole body';
comment on column tool_definitions.created_at is 'When it was made';
comment on column tool_definitions.updated_at is 'When it was last changed';
comment on column tool_definitions.archived_at is 'When it was put away; null: in use';

create table sources (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null references organisations,
	project_id uuid not null references projects,
	dialect text not null check (dialect ~ '^[a-z0-9_-]{1,40}$'),
	name text not null check (name ~ '^[A-Za-z0-9._-]{1,100}$'),
	auth jsonb not null default '[]' check (jsonb_typeof(auth) = 'array'),
	private_key jsonb,
	control_key jsonb,
	api_base text not null default 'https://api.vapi.ai',
	upstream_url text not null default '',
	upstream_timeout_ms int not null default 5000 check (upstream_timeout_ms between 1 and 15000),
	answers jsonb not null default '{}' check (jsonb_typeof(answers) = 'object'),
	assistant jsonb,
	assistant_id text not null default '',
	assistant_mode text not null default '' check (assistant_mode in ('', 'inline', 'fetch', 'id')),
	variable_values jsonb not null default '{}' check (jsonb_typeof(variable_values) = 'object'),
	failure jsonb,
	settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	archived_at timestamptz
);
-- One path serves one source, whoever owns it: unique over organisations.
create unique index sources_name on sources (dialect, name) where archived_at is null;
comment on table sources is 'Configured connections of providers';
comment on column sources.id is 'Identity; call ids are UUID version 5 within it';
comment on column sources.org_id is 'Organisation';
comment on column sources.project_id is 'Project of its calls';
comment on column sources.dialect is 'Protocol: vapi';
comment on column sources.name is 'The last part of the path /in/{dialect}/{name}';
comment on column sources.auth is 'How senders prove themselves, any one suffices; empty: nobody is let in (docs: directory.h)';
comment on column sources.private_key is 'Secret reference: key of the provider''s API';
comment on column sources.control_key is 'Secret reference: bearer for control URLs that ask for one';
comment on column sources.api_base is 'Where the provider''s API is';
comment on column sources.upstream_url is 'Where webhooks are passed on to; empty: nowhere';
comment on column sources.upstream_timeout_ms is 'How long to wait for the upstream''s answer';
comment on column sources.answers is 'Answers by message type: {"<type>": body}';
comment on column sources.assistant is 'Mode inline: the whole assistant';
comment on column sources.assistant_id is 'Modes fetch and id: the provider''s id of the assistant';
comment on column sources.assistant_mode is 'How assistant-request is answered: inline, fetch, id, or empty (then failure)';
comment on column sources.variable_values is 'Mode id: variables passed along';
comment on column sources.failure is 'Answer when there is no assistant: {"destination": ...} or {"error": "..."}';
comment on column sources.settings is 'Thresholds that differ from the project''s, by name';
comment on column sources.created_at is 'When it was made';
comment on column sources.updated_at is 'When it was last changed';
comment on column sources.archived_at is 'When it was put away; null: in use';

create trigger projects_directory after insert or update or delete on projects
	for each statement execute function callmend_directory_changed();
create trigger instructions_directory after insert or update or delete on instructions
	for each statement execute function callmend_directory_changed();
create trigger tool_definitions_directory after insert or update or delete on tool_definitions
	for each statement execute function callmend_directory_changed();
create trigger sources_directory after insert or update or delete on sources
	for each statement execute function callmend_directory_changed();
