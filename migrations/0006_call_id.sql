-- Paths with a call id take ours or the provider's.
create function callmend_call_id(org uuid, given text) returns uuid language sql stable as $$
	select c.id from calls c
	where c.org_id = org and (c.id = callmend_uuid(given) or c.provider_call_id = given)
	order by c.id = callmend_uuid(given) desc nulls last, c.started_at desc
	limit 1
$$;
comment on function callmend_call_id(uuid, text) is 'The call of an organisation by our id or the provider''s (the newest, should several sources have the same); null: none';
