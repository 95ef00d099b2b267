-- write: closes an issue that is none.
-- $1 org  $2 actor  $3 issue id  $4 reason
-- issue; CM001 when it is not open
select callmend_issue_dismiss($1::uuid, $2::text, callmend_uuid($3::text), $4::text)
