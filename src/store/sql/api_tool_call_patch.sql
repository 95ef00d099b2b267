-- write: feedback and correction of a tool call (B1). Members that are absent stay, null clears. {"correction": {"arguments": {..}}} of
-- a search proposes a mapping (B3).
-- $1 org  $2 actor  $3 tool call id (ours)  $4 body {"user_feedback": "helpful" | "not_helpful" | null, "correction": JSON}  $5 reason
-- tool call, with "proposed_mapping": id or null
select callmend_tool_call_judge($1::uuid, $2::text, callmend_uuid($3::text), $4::jsonb, $5::text)
