-- The loop: what goes wrong (issues), what would put it right (suggestions), what became of it.

create table issues (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	project_id uuid not null references projects,
	cause text not null check (cause in ('success_rate', 'missing_data', 'tool_failure', 'failure_point', 'frustration',
		'unanswered_question', 'best_practice')),
	subject text not null default '',
	instruction_version uuid,
	status text not null default 'open' check (status in ('open', 'resolved', 'dismissed')),
	title text not null,
	evidence jsonb not null,
	opened_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	closed_at timestamptz,
	closed_because text
);
create unique index issues_open on issues (project_id, cause, subject) where status = 'open';
create index issues_org on issues (org_id, opened_at desc);
comment on table issues is 'What goes wrong in a project, one open issue per cause (C1)';
comment on column issues.id is 'Identity';
comment on column issues.org_id is 'Organisation';
comment on column issues.project_id is 'Project';
comment on column issues.cause is 'Kind of cause';
comment on column issues.subject is 'Which one: field, tool, failure point, question group, practice; empty for the whole';
comment on column issues.instruction_version is 'Version its evidence is about';
comment on column issues.status is 'open, resolved (a change was applied and it is gone) or dismissed';
comment on column issues.title is 'One line';
comment on column issues.evidence is '{eligible, callers, events, rate, lower, upper, threshold, from, to, reasons, quotes: [{call_id, seq, offset_ms, speaker, text}]}';
comment on column issues.opened_at is 'When the evidence sufficed';
comment on column issues.updated_at is 'When the evidence was last renewed';
comment on column issues.closed_at is 'When it was closed';
comment on column issues.closed_because is 'Why';

create table detections (
	project_id uuid primary key references projects,
	org_id uuid not null,
	checked_at timestamptz not null,
	calls bigint not null,
	doc jsonb not null
);
comment on table detections is 'The last check of each project: what was looked at and how far each cause is from its threshold';
comment on column detections.project_id is 'Project';
comment on column detections.org_id is 'Organisation';
comment on column detections.checked_at is 'When';
comment on column detections.calls is 'Eligible calls it saw';
comment on column detections.doc is 'Every cause with its figures, opened or not';

create table suggestions (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	project_id uuid not null references projects,
	issue_id uuid references issues,
	type text not null check (type in ('success_rate', 'missing_data', 'best_practice', 'tone', 'timing')),
	priority text not null check (priority in ('high', 'medium', 'low')),
	status text not null default 'pending' check (status in ('pending', 'accepted', 'rejected', 'applied')),
	title text not null,
	base_version uuid references instruction_versions,
	current_instruction text not null,
	current_metrics jsonb not null,
	expected_impact jsonb not null,
	quotes jsonb not null default '[]',
	generated_by text not null,
	model_usage jsonb,
	created_at timestamptz not null default now(),
	accepted_at timestamptz,
	accepted_by text,
	rejected_at timestamptz,
	rejected_by text,
	rejected_because text,
	learn boolean not null default true,
	result_version uuid references instruction_versions,
	applied_at timestamptz,
	apply_error text,
	actual_impact jsonb
);
create unique index suggestions_pending on suggestions (issue_id) where status = 'pending';
create index suggestions_project on suggestions (project_id, created_at desc);
create index suggestions_result on suggestions (result_version) where result_version is not null;
comment on table suggestions is 'Proposed changes of instructions (C3)';
comment on column suggestions.id is 'Identity';
comment on column suggestions.org_id is 'Organisation';
comment on column suggestions.project_id is 'Project';
comment on column suggestions.issue_id is 'The issue it answers; null: asked for';
comment on column suggestions.type is 'success_rate, missing_data, best_practice, tone or timing';
comment on column suggestions.priority is 'high, medium or low';
comment on column suggestions.status is 'pending, accepted, rejected, applied (seen to be served)';
comment on column suggestions.title is 'One line';
comment on column suggestions.base_version is 'The version it changes';
comment on column suggestions.current_instruction is 'Its text';
comment on column suggestions.current_metrics is '{successRate, missingDataRate, failureReasons, calls, callers, with intervals}';
comment on column suggestions.expected_impact is '{successRateImprovement, missingDataReduction, estimatedROI, with lower and upper}';
comment on column suggestions.quotes is 'Evidence: [{call_id, seq, offset_ms, speaker, text}]';
comment on column suggestions.generated_by is 'rules, or the model''s name';
comment on column suggestions.model_usage is '{prompt_tokens, completion_tokens, cost, fallback: why rules were used after all}';
comment on column suggestions.created_at is 'When';
comment on column suggestions.accepted_at is 'When';
comment on column suggestions.accepted_by is 'Who';
comment on column suggestions.rejected_at is 'When';
comment on column suggestions.rejected_by is 'Who';
comment on column suggestions.rejected_because is 'Why, learned from';
comment on column suggestions.learn is 'Whether its rejection says something about its changes; not when only its issue was dismissed';
comment on column suggestions.result_version is 'The version that accepting made';
comment on column suggestions.applied_at is 'When a source was seen to serve it';
comment on column suggestions.apply_error is 'Why it is not applied yet';
comment on column suggestions.actual_impact is '{successRateChange, missingDataChange, actualROI, with intervals; method: observational}';

create table suggestion_changes (
	suggestion_id uuid not null references suggestions,
	org_id uuid not null,
	position int not null,
	section text not null,
	current text not null,
	suggested text not null,
	reason text not null,
	primary key (suggestion_id, position)
);
comment on table suggestion_changes is 'The changes of a suggestion, section by section';
comment on column suggestion_changes.suggestion_id is 'Suggestion';
comment on column suggestion_changes.org_id is 'Organisation';
comment on column suggestion_changes.position is 'Order, from 0';
comment on column suggestion_changes.section is 'Name of the section; may be a new one';
comment on column suggestion_changes.current is 'Its text now; empty: new';
comment on column suggestion_changes.suggested is 'Its text then';
comment on column suggestion_changes.reason is 'Why';

create table suggestion_sources (
	suggestion_id uuid not null references suggestions,
	org_id uuid not null,
	source_id uuid not null,
	how text not null check (how in ('assistant-request', 'patch')),
	seen_at timestamptz,
	error text,
	attempts int not null default 0,
	updated_at timestamptz not null default now(),
	primary key (suggestion_id, source_id)
);
comment on table suggestion_sources is 'Where an accepted suggestion has to arrive, and whether it was seen there';
comment on column suggestion_sources.suggestion_id is 'Suggestion';
comment on column suggestion_sources.org_id is 'Organisation';
comment on column suggestion_sources.source_id is 'Source of its project';
comment on column suggestion_sources.how is 'In the next assistant-request, or by PATCH of the provider''s assistant';
comment on column suggestion_sources.seen_at is 'When the source was seen to serve it';
comment on column suggestion_sources.error is 'Why not yet';
comment on column suggestion_sources.attempts is 'PATCH attempts';
comment on column suggestion_sources.updated_at is 'When the row was last written';

create table feedback_patterns (
	id uuid primary key default callmend_uuid_v7(),
	org_id uuid not null,
	project_id uuid not null,
	type text not null check (type in ('rejected', 'worked', 'did_not_work')),
	cause text not null,
	subject text not null default '',
	pattern text not null,
	occurrences int not null default 1,
	examples jsonb not null default '[]',
	effectiveness numeric,
	last_seen timestamptz not null default now(),
	unique (project_id, type, cause, subject, pattern)
);
comment on table feedback_patterns is 'What was learned from decisions and results (C7, C10): read before the next suggestion of the same cause';
comment on column feedback_patterns.id is 'Identity';
comment on column feedback_patterns.org_id is 'Organisation';
comment on column feedback_patterns.project_id is 'Project';
comment on column feedback_patterns.type is 'rejected, worked (> 80 % of the predicted gain) or did_not_work';
comment on column feedback_patterns.cause is 'Kind of cause';
comment on column feedback_patterns.subject is 'Which one';
comment on column feedback_patterns.pattern is 'The change: section and suggested text, normalised';
comment on column feedback_patterns.occurrences is 'How often';
comment on column feedback_patterns.examples is 'Suggestion ids and reasons';
comment on column feedback_patterns.effectiveness is 'Realised share of the predicted gain';
comment on column feedback_patterns.last_seen is 'When it last happened';

create table model_usage (
	org_id uuid not null,
	day date not null,
	model text not null,
	calls bigint not null default 0,
	prompt_tokens bigint not null default 0,
	completion_tokens bigint not null default 0,
	cost numeric not null default 0,
	primary key (org_id, day, model)
);
comment on table model_usage is 'What the language model cost, for its daily cap';
comment on column model_usage.org_id is 'Organisation';
comment on column model_usage.day is 'UTC day';
comment on column model_usage.model is 'Model';
comment on column model_usage.calls is 'Requests';
comment on column model_usage.prompt_tokens is 'Tokens sent';
comment on column model_usage.completion_tokens is 'Tokens received';
comment on column model_usage.cost is 'US dollars by the configured prices';
