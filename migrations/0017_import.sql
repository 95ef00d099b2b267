-- Imports: what was passed over, the window of a pull, and which import brought a call.

alter table imports
	add column skipped bigint not null default 0,
	add column since timestamptz,
	add column until timestamptz;
create index imports_source on imports (source_id, until desc);
comment on column imports.skipped is 'Calls that had not ended yet: they come with a later import';
comment on column imports.since is 'A pull: calls made from then on';
comment on column imports.until is 'A pull: calls made before';

alter table calls add column import_id uuid;
comment on column calls.import_id is 'The import that brought it; null: followed live';
