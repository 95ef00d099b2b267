-- write: notes that a token was used; at most once a minute each, and not in the audit log.
-- $1 token id
-- {"noted": true or false}
with noted as (
	update api_tokens set last_used_at = now()
	where id = $1::uuid and (last_used_at is null or last_used_at < now() - interval '1 minute')
	returning id
)
select json_build_object('noted', exists (select from noted))
