-- What the projector writes. No foreign keys here: a row that arrives is kept, whatever became of the row it names.

create table conversations (
	id uuid primary key,
	org_id uuid not null,
	source_id uuid,
	project_id uuid,
	channel text not null default 'voice',
	customer_number text,
	started_at timestamptz not null,
	last_at timestamptz not null
);
create index conversations_org on conversations (org_id, last_at desc, id);
create index conversations_customer on conversations (org_id, customer_number);
comment on table conversations is 'What belongs together across calls (the provider''s session), else one per call';
comment on column conversations.id is 'UUID version 5 of source and session id or call id';
comment on column conversations.org_id is 'Organisation';
comment on column conversations.source_id is 'Source';
comment on column conversations.project_id is 'Project';
comment on column conversations.channel is 'voice';
comment on column conversations.customer_number is 'Number of the customer, when known';
comment on column conversations.started_at is 'Start of its first call';
comment on column conversations.last_at is 'Latest time known of its calls';

create table calls (
	id uuid primary key,
	org_id uuid not null,
	source_id uuid,
	project_id uuid,
	conversation_id uuid,
	provider_call_id text,
	kind text,
	status text not null,
	live boolean not null,
	transcript_live boolean not null default false,
	started_at timestamptz not null,
	ended_at timestamptz,
	duration_ms bigint,
	ended_reason text,
	ended_class text,
	customer jsonb,
	customer_number text,
	assistant jsonb,
	phone_number text,
	user_sentiment text check (user_sentiment in ('positive', 'neutral', 'negative', 'frustrated')),
	ai_sentiment text,
	call_sentiment text,
	event_count bigint not null default 0,
	turn_count bigint not null default 0,
	message_count bigint not null default 0,
	tool_call_count bigint not null default 0,
	tool_error_count bigint not null default 0,
	interruption_count bigint not null default 0,
	hang_count bigint not null default 0,
	intervention_count bigint not null default 0,
	duplicate_count bigint not null default 0,
	outcome text,
	cost numeric,
	summary text,
	instruction_version uuid,
	flags jsonb not null default '[]',
	last_seq bigint not null,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index calls_started on calls (org_id, started_at desc, id desc);
create index calls_status on calls (org_id, status, started_at desc, id desc);
create index calls_project on calls (project_id, started_at desc, id desc);
create index calls_live on calls (org_id, started_at desc, id desc) where live;
create index calls_customer on calls (org_id, customer_number, started_at desc);
create index calls_provider on calls (provider_call_id);
create index calls_conversation on calls (conversation_id);
comment on table calls is 'One row per call, with what A3 asks for; members as in the live snapshot';
comment on column calls.id is 'UUID version 5 of source and the provider''s call id';
comment on column calls.org_id is 'Organisation';
comment on column calls.source_id is 'Source';
comment on column calls.project_id is 'Project';
comment on column calls.conversation_id is 'Conversation';
comment on column calls.provider_call_id is 'The provider''s id';
comment on column calls.kind is 'The provider''s kind of call: inboundPhoneCall ...';
comment on column calls.status is 'scheduled queued ringing in-progress forwarding ended ... (open set)';
comment on column calls.live is 'Not ended yet';
comment on column calls.transcript_live is 'Transcripts came while the call ran';
comment on column calls.started_at is 'The provider''s start, else the first arrival';
comment on column calls.ended_at is 'When it ended';
comment on column calls.duration_ms is 'Length';
comment on column calls.ended_reason is 'The provider''s reason, as it was given';
comment on column calls.ended_class is 'customer assistant provider telephony limit other lost';
comment on column calls.customer is '{number, name}';
comment on column calls.customer_number is 'customer.number, for searching';
comment on column calls.assistant is '{id, name, version}';
comment on column calls.phone_number is 'Our number';
comment on column calls.user_sentiment is 'Sentiment of the caller: positive neutral negative frustrated';
comment on column calls.ai_sentiment is 'Sentiment of the assistant';
comment on column calls.call_sentiment is 'Sentiment of the whole call';
comment on column calls.event_count is 'Events of this call';
comment on column calls.turn_count is 'Turns';
comment on column calls.message_count is 'Entries of the conversation';
comment on column calls.tool_call_count is 'Tool calls';
comment on column calls.tool_error_count is 'Tool calls that failed';
comment on column calls.interruption_count is 'Times the caller interrupted the assistant';
comment on column calls.hang_count is 'Times the provider reported a delayed assistant';
comment on column calls.intervention_count is 'Commands of people and rules';
comment on column calls.duplicate_count is 'Messages that came again';
comment on column calls.outcome is 'What came of it';
comment on column calls.cost is 'The provider''s cost in US dollars';
comment on column calls.summary is 'The provider''s summary';
comment on column calls.instruction_version is 'Instructions in force at its start';
comment on column calls.flags is '[text]: what is unusual about it';
comment on column calls.last_seq is 'Sequence of the event this row reflects; it never goes back';
comment on column calls.created_at is 'When the row was made';
comment on column calls.updated_at is 'When the row was last written';

create table call_events (
	call_id uuid not null,
	seq bigint not null,
	day date not null,
	org_id uuid not null,
	conversation_id uuid,
	type text not null,
	speaker text check (speaker in ('ai', 'user')),
	text text,
	is_final boolean not null default false,
	at timestamptz not null,
	offset_ms bigint,
	data jsonb not null check (jsonb_typeof(data) = 'object'),
	arrived_at timestamptz not null,
	primary key (call_id, seq, day)
) partition by range (day);
create index call_events_conversation on call_events (conversation_id, seq);
create index call_events_type on call_events (org_id, type, at);
comment on table call_events is 'Everything that happened in calls (A2), a partition per day; a partition is dropped when it is too old';
comment on column call_events.call_id is 'Call';
comment on column call_events.seq is 'Place in the order of the call: journal record number and index in one number';
comment on column call_events.day is 'UTC day of the journaled arrival';
comment on column call_events.org_id is 'Organisation';
comment on column call_events.conversation_id is 'Conversation';
comment on column call_events.type is 'Type (docs/events.md)';
comment on column call_events.speaker is 'ai, user, or null';
comment on column call_events.text is 'What was said or written';
comment on column call_events.is_final is 'Final, not partial';
comment on column call_events.at is 'When it happened';
comment on column call_events.offset_ms is 'Since the start of the call';
comment on column call_events.data is 'Members by type (docs/events.md)';
comment on column call_events.arrived_at is 'When the record it comes from arrived';

create table messages (
	conversation_id uuid not null,
	call_id uuid not null,
	seq bigint not null,
	org_id uuid not null,
	role text not null,
	speaker text,
	position int,
	text text,
	tool_calls jsonb,
	tool_call_id text,
	at timestamptz not null,
	primary key (call_id, seq)
);
create index messages_conversation on messages (conversation_id, seq);
comment on table messages is 'Committed entries of conversations, kept when events are dropped';
comment on column messages.conversation_id is 'Conversation';
comment on column messages.call_id is 'Call';
comment on column messages.seq is 'Sequence of the event it comes from';
comment on column messages.org_id is 'Organisation';
comment on column messages.role is 'system user assistant tool-calls tool-result';
comment on column messages.speaker is 'ai, user, or null';
comment on column messages.position is 'Place in the provider''s history';
comment on column messages.text is 'What was said';
comment on column messages.tool_calls is 'Tool calls of the entry';
comment on column messages.tool_call_id is 'The provider''s id of the tool call it answers';
comment on column messages.at is 'When';

create table tool_calls (
	id uuid primary key,
	org_id uuid not null,
	project_id uuid,
	call_id uuid not null,
	tool_call_id text,
	tool text not null,
	arguments jsonb,
	run_by text not null default 'callmend' check (run_by in ('callmend', 'upstream', 'elsewhere')),
	requested_at timestamptz not null,
	started_at timestamptz,
	duration_ms bigint,
	success boolean,
	result jsonb,
	error text,
	fallback boolean not null default false,
	unknown boolean not null default false,
	user_feedback text check (user_feedback in ('helpful', 'not_helpful')),
	correction jsonb,
	requested_seq bigint not null,
	finished_seq bigint,
	updated_at timestamptz not null default now()
);
create index tool_calls_call on tool_calls (call_id, requested_seq);
create index tool_calls_tool on tool_calls (org_id, tool, requested_at desc);
create index tool_calls_requested on tool_calls (org_id, requested_at desc);
comment on table tool_calls is 'Tool calls, whoever ran them (B1)';
comment on column tool_calls.id is 'Ours, the same at every replay';
comment on column tool_calls.org_id is 'Organisation';
comment on column tool_calls.project_id is 'Project';
comment on column tool_calls.call_id is 'Call';
comment on column tool_calls.tool_call_id is 'The provider''s id, which may repeat';
comment on column tool_calls.tool is 'Name of the tool';
comment on column tool_calls.arguments is 'What it was asked';
comment on column tool_calls.run_by is 'callmend, upstream or elsewhere';
comment on column tool_calls.requested_at is 'When it was asked for';
comment on column tool_calls.started_at is 'When it was started';
comment on column tool_calls.duration_ms is 'How long it took';
comment on column tool_calls.success is 'Whether it worked, by the tool''s rule; null: still running';
comment on column tool_calls.result is 'What came out';
comment on column tool_calls.error is 'Why it failed';
comment on column tool_calls.fallback is 'The fallback message was given';
comment on column tool_calls.unknown is 'May have run: a crash or a lost connection came in between';
comment on column tool_calls.user_feedback is 'helpful or not_helpful, by a person';
comment on column tool_calls.correction is 'What a person put right';
comment on column tool_calls.requested_seq is 'Sequence of the first event about it';
comment on column tool_calls.finished_seq is 'Sequence of the event that finished it';
comment on column tool_calls.updated_at is 'When the row was last written';

create table interventions (
	id uuid primary key,
	org_id uuid not null,
	call_id uuid not null,
	verb text not null,
	target text,
	state text not null,
	text text,
	actor text,
	reason text,
	requested_at timestamptz not null,
	accepted_at timestamptz,
	effect_at timestamptz,
	latency_ms bigint,
	error text,
	evidence jsonb,
	last_seq bigint not null,
	updated_at timestamptz not null default now()
);
create index interventions_call on interventions (call_id, requested_at);
create index interventions_org on interventions (org_id, requested_at desc);
comment on table interventions is 'Commands to calls and what became of them (A6)';
comment on column interventions.id is 'Command id';
comment on column interventions.org_id is 'Organisation';
comment on column interventions.call_id is 'Call';
comment on column interventions.verb is 'say add-message mute unmute end transfer';
comment on column interventions.target is 'assistant or customer';
comment on column interventions.state is 'requested accepted rejected effect_seen not_observable timed_out unknown';
comment on column interventions.text is 'What was to be said or added';
comment on column interventions.actor is 'Who asked: token:<name>, rule:<name>, cli';
comment on column interventions.reason is 'Why, in the words of the actor';
comment on column interventions.requested_at is 'When it was asked for';
comment on column interventions.accepted_at is 'When the provider accepted it';
comment on column interventions.effect_at is 'When its effect was observed';
comment on column interventions.latency_ms is 'From request to the provider''s answer';
comment on column interventions.error is 'Why it was rejected';
comment on column interventions.evidence is 'What showed the effect';
comment on column interventions.last_seq is 'Sequence of the last change; it never goes back';
comment on column interventions.updated_at is 'When the row was last written';

create table quarantine (
	id bigint generated always as identity primary key,
	org_id uuid not null default '00000000-0000-7000-8000-000000000001',
	journal uuid not null,
	record bigint not null,
	call_id uuid,
	kind text not null,
	reason text not null,
	body bytea not null,
	arrived_at timestamptz not null,
	created_at timestamptz not null default now()
);
create index quarantine_org on quarantine (org_id, id desc);
create index quarantine_call on quarantine (call_id);
comment on table quarantine is 'What could not be used, whole, with the reason: input that could not be read, rows that were refused, records that stopped the core twice';
comment on column quarantine.id is 'Grows with time';
comment on column quarantine.org_id is 'Organisation; the default one when unknown';
comment on column quarantine.journal is 'Journal it comes from';
comment on column quarantine.record is 'Record number in that journal';
comment on column quarantine.call_id is 'Call, when known';
comment on column quarantine.kind is 'Kind of input, or row_<table> for a refused row';
comment on column quarantine.reason is 'Why';
comment on column quarantine.body is 'The bytes; for a refused row its parameters as a JSON array';
comment on column quarantine.arrived_at is 'When it arrived';
comment on column quarantine.created_at is 'When the row was made';

create table journal_positions (
	journal uuid primary key,
	org_id uuid not null default '00000000-0000-7000-8000-000000000001',
	position bigint not null check (position >= 0),
	updated_at timestamptz not null default now()
);
comment on table journal_positions is 'Up to which record each journal is in the tables; moves in the transaction that writes the rows';
comment on column journal_positions.journal is 'Journal';
comment on column journal_positions.org_id is 'Organisation; the default one: a journal serves a whole node';
comment on column journal_positions.position is 'The last record whose rows are stored';
comment on column journal_positions.updated_at is 'When it moved';

create function callmend_journal_move(which uuid, old bigint, new bigint) returns void language plpgsql as $$
begin
	insert into journal_positions (journal, position) values (which, 0) on conflict do nothing;
	update journal_positions set position = new, updated_at = now() where journal = which and position = old;
	if not found then
		raise exception 'journal %: position is not %', which, old using errcode = 'CM001';
	end if;
end
$$;
comment on function callmend_journal_move(uuid, bigint, bigint) is 'Moves a journal''s position, or fails with CM001 when it is not where it should be';

create function callmend_partition(which date) returns boolean language plpgsql as $$
declare
	name text := 'call_events_' || to_char(which, 'YYYYMMDD');
begin
	if to_regclass(name) is not null then
		return false;
	end if;
	-- Made apart and attached: readers of the parent are not held up as they would be by CREATE ... PARTITION OF.
	perform pg_advisory_xact_lock(hashtext('callmend_partition'));
	if to_regclass(name) is not null then
		return false;
	end if;
	execute format('create table %I (like call_events including defaults including constraints including comments)', name);
	execute format('comment on table %I is %L', name, 'Events of calls that arrived on ' || which);
	execute format('alter table call_events attach partition %I for values from (%L) to (%L)', name, which, which + 1);
	return true;
end
$$;
comment on function callmend_partition(date) is 'Makes the partition of a day; false when it is there already';

create function callmend_partitions_drop(before date) returns int language plpgsql as $$
declare
	name text;
	n int := 0;
begin
	for name in
		select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'call_events'::regclass and c.relname ~ '^call_events_[0-9]{8}$'
			and to_date(right(c.relname, 8), 'YYYYMMDD') < before
	loop
		execute format('drop table %I', name);
		n := n + 1;
	end loop;
	return n;
end
$$;
comment on function callmend_partitions_drop(date) is 'Drops the partitions of days before a day; how many';
