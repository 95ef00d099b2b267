-- write: what a call taught about its contact, while it runs (A8).
-- $1 org  $2 project  $3 call  $4 seq  $5 the event (fact)  $6 number of the contact, or null
select callmend_contact_fact($1::uuid, $2::uuid, $3::uuid, $6::text, $4::bigint, $5::jsonb)
