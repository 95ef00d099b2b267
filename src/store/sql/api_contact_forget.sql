-- write: forgets a contact: its row and what was posted about it. Its calls stay until their retention ends.
-- $1 org  $2 actor  $3 number  $4 reason
-- {"id","forgotten","context_items"}
select callmend_contact_forget($1::uuid, $2::text, $3::text, $4::text)
