-- read: a context item.
-- $1 org  $2 item id
-- item
select callmend_context_item(i) from context_items i where i.org_id = $1::uuid and i.id = callmend_uuid($2::text)
