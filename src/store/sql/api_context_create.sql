-- write: something the assistant should know of a contact or a conversation (check the body with directory_check_context first).
-- $1 org  $2 actor  $3 body  $4 reason
-- item
with new as (
	insert into context_items as i (org_id, contact_number, conversation_id, kind, title, text, data, created_by, expires_at)
	select $1::uuid, nullif(b->>'contact_number', ''), callmend_uuid(b->>'conversation_id'), coalesce(b->>'kind', 'note'),
		b->>'title', coalesce(b->>'text', ''), coalesce(nullif(b->'data', 'null'), '{}'), $2::text,
		(b->>'expires_at')::timestamptz
	from (select $3::jsonb as b) given
	returning i.id, callmend_context_item(i) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'context_item', new.id, '{}', $4::text from new
)
select doc from new
