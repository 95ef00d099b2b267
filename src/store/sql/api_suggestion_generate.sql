-- write: asks for suggestions.
-- $1 org  $2 actor  $3 project id  $4 issue id or null  $5 reason
-- {"success": true, "job": {"kind","key","state"}}
select callmend_suggestion_generate($1::uuid, $2::text, callmend_uuid($3::text), callmend_uuid($4::text), $5::text)
