-- write: a call that an import makes anew: what it was told before goes.
-- $1 call
with events as (
	delete from call_events where call_id = $1::uuid
), entries as (
	delete from messages where call_id = $1::uuid
)
update calls set last_seq = 0, event_count = 0, turn_count = 0, message_count = 0, tool_call_count = 0, tool_error_count = 0,
	interruption_count = 0, hang_count = 0, intervention_count = 0, duplicate_count = 0
where id = $1::uuid
