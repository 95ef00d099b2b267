-- read: a call by our id or the provider's (the newest one, should several sources have the same).
-- $1 org  $2 id
-- call
select callmend_call(c) from calls c
where c.org_id = $1::uuid and (c.id = callmend_uuid($2::text) or c.provider_call_id = $2::text)
order by c.id = callmend_uuid($2::text) desc nulls last, c.started_at desc
limit 1
