-- read: the last check of a project: every cause with its figures, and how far it is from its threshold.
-- $1 org  $2 project id
-- {"project_id","checked_at": time or null,"calls","doc"}
select jsonb_build_object('project_id', p.id, 'checked_at', callmend_time(d.checked_at), 'calls', coalesce(d.calls, 0),
	'doc', d.doc)
from projects p left join detections d on d.project_id = p.id
where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
