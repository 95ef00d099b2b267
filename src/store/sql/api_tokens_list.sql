-- read: the tokens of an organisation, without their hashes.
-- $1 org  $2 revoked too (true or false, null: false)
-- {"tokens": [token]}
select json_build_object('tokens', (select coalesce(json_agg(callmend_token(t) order by lower(t.name), t.id), '[]')
	from api_tokens t where t.org_id = $1::uuid and (t.revoked_at is null or coalesce($2::boolean, false))))
