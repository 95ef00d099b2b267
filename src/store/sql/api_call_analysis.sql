-- read: what a finished call was understood to be, and the outcome that was posted.
-- $1 org  $2 call id or the provider's
-- {"call_id","project_id","instruction_version","rules_version","outcome","outcome_by","cause_class","eligible","failure_point","analysed_at",
--  "up_to_date","queued","posted": {..} or null,"analysis": {..}}; not analysed yet: none
select json_build_object('call_id', a.call_id, 'project_id', a.project_id, 'instruction_version', a.instruction_version,
	'rules_version', a.rules_version, 'outcome', a.outcome, 'outcome_by', a.outcome_by, 'cause_class', a.cause_class,
	'eligible', a.eligible, 'failure_point', a.failure_point, 'analysed_at', callmend_time(a.analysed_at),
	'up_to_date', a.last_seq = c.last_seq,
	'queued', exists (select from jobs j where j.kind = 'analyse' and j.key = c.id::text and j.state <> 'dead'),
	'posted', (select json_build_object('outcome', o.outcome, 'label', o.label, 'value', o.value, 'reason', o.reason,
		'actor', o.actor, 'at', callmend_time(o.at)) from call_outcomes o where o.call_id = c.id),
	'analysis', a.doc)
from calls c join call_analyses a on a.call_id = c.id
where c.id = callmend_call_id($1::uuid, $2::text)
