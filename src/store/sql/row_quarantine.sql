-- write: something that could not be used.
-- $1 journal  $2 record  $3 call or null  $4 kind  $5 reason  $6 body as hex digits, with or without \x  $7 arrived or null
insert into quarantine (journal, record, call_id, kind, reason, body, arrived_at, org_id)
values ($1::uuid, $2::bigint, callmend_uuid($3::text), $4::text, $5::text,
	decode(regexp_replace($6::text, '^\\x', ''), 'hex'), coalesce($7::timestamptz, now()),
	coalesce((select org_id from calls where id = callmend_uuid($3::text)),
		'00000000-0000-7000-8000-000000000001'))
