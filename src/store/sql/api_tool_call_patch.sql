-- write: feedback and correction of a tool call (B1). Members that are absent stay, null clears.
-- $1 org  $2 actor  $3 tool call id (ours)  $4 body {"user_feedback": "helpful" | "not_helpful" | null, "correction": JSON}  $5 reason
-- tool call
with old as (
	select t.id, json_build_object('user_feedback', t.user_feedback, 'correction', t.correction) as doc
	from tool_calls t where t.org_id = $1::uuid and t.id = callmend_uuid($3::text) for update
), new as (
	update tool_calls t set
		user_feedback = case when $4::jsonb ? 'user_feedback' then $4::jsonb->>'user_feedback' else t.user_feedback end,
		correction = case when $4::jsonb ? 'correction' then nullif($4::jsonb->'correction', 'null') else t.correction end,
		updated_at = now()
	from old where t.id = old.id
	returning t.id, json_build_object('user_feedback', t.user_feedback, 'correction', t.correction) as part,
		callmend_tool_call(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'feedback', 'tool_call', new.id, old.doc, new.part, $5::text from old, new
)
select doc from new
