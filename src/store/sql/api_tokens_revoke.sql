-- write: takes a token back, for good.
-- $1 org  $2 actor  $3 token id  $4 reason
-- token
with old as (
	select t.id, callmend_token(t) as doc from api_tokens t
	where t.org_id = $1::uuid and t.id = callmend_uuid($3::text) and t.revoked_at is null for update
), new as (
	update api_tokens t set revoked_at = now() from old where t.id = old.id
	returning t.id, callmend_token(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'revoke', 'token', new.id, old.doc, new.doc, $4::text from old, new
)
select doc from new
