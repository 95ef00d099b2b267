-- read: one issue with its evidence.
-- $1 org  $2 issue id
-- issue
select callmend_issue(i) from issues i where i.org_id = $1::uuid and i.id = callmend_uuid($2::text)
