-- read: $1 ids (uuid[]). The notifications that were announced, for those who watch; oldest first.
select coalesce(jsonb_agg(jsonb_build_object('org_id', n.org_id, 'notification', callmend_notification(n)) order by n.created_at, n.id), '[]')
from notifications n where n.id = any ($1::uuid[])
