-- write: makes a token; its text is made and hashed by the asker and never comes here.
-- $1 org  $2 actor  $3 name  $4 role  $5 SHA-256 of the token text as 64 hex digits  $6 expires (time or null)  $7 reason
-- token
with new as (
	insert into api_tokens as t (org_id, name, role, hash, expires_at)
	values ($1::uuid, $3::text, $4::text, decode($5::text, 'hex'), $6::timestamptz)
	returning t.id, callmend_token(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'token', new.id, new.doc, $7::text from new
)
select doc from new
