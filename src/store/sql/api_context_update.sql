-- write: changes, closes or opens a context item; absent members stay.
-- $1 org  $2 actor  $3 item id  $4 body {"closed", "title", "text", "expires_at"}  $5 reason
-- item
with old as (
	select i.id from context_items i where i.org_id = $1::uuid and i.id = callmend_uuid($3::text) for update
), new as (
	update context_items i set
		title = coalesce(b->>'title', i.title),
		text = case when b ? 'text' then coalesce(b->>'text', '') else i.text end,
		expires_at = case when b ? 'expires_at' then (b->>'expires_at')::timestamptz else i.expires_at end,
		closed_at = case (b->>'closed')::boolean when true then coalesce(i.closed_at, now()) when false then null
			else i.closed_at end
	from old, (select $4::jsonb as b) given where i.id = old.id
	returning i.id, callmend_context_item(i) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'update', 'context_item', new.id, $4::jsonb - 'title' - 'text', $5::text from new
)
select doc from new
