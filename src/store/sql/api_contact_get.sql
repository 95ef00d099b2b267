-- read: a contact with its latest calls and what is known just now.
-- $1 org  $2 number
-- contact, "latest_calls": [{"id","provider_call_id","started_at","status","outcome","project_id"}], "context": [item]
select callmend_contact(c)::jsonb || jsonb_build_object(
	'latest_calls', (select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'provider_call_id', k.provider_call_id,
			'started_at', callmend_time(k.started_at), 'status', k.status, 'outcome', k.outcome, 'project_id', k.project_id)
			order by k.started_at desc, k.id desc), '[]')
		from (select * from calls x where x.org_id = c.org_id and x.customer_number = c.number
			order by x.started_at desc, x.id desc limit 10) k),
	'context', callmend_context_open(c.org_id, c.number, null)::jsonb)
from contacts c where c.org_id = $1::uuid and c.number = $2::text
