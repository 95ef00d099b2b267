-- read: who a token is, and for which organisation.
-- $1 token id
-- {"token": {"id","name","role",...}, "org": {"id","name"}}
select json_build_object('token', callmend_token(t), 'org', json_build_object('id', o.id, 'name', o.name))
from api_tokens t join organisations o on o.id = t.org_id
where t.id = $1::uuid and t.revoked_at is null
