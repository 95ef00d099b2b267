-- read: webhook endpoints, the oldest first.
-- $1 org  $2 archived too (true or false, null: false)
-- {"endpoints": [endpoint]}
select json_build_object('endpoints', (select coalesce(json_agg(callmend_webhook_endpoint(e) order by e.created_at, e.id), '[]')
	from webhook_endpoints e where e.org_id = $1::uuid and (e.archived_at is null or coalesce($2::boolean, false))))
