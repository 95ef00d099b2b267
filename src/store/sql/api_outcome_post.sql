-- write: an outcome that is known later. It beats the rule, and the call is analysed again.
-- $1 org  $2 actor  $3 call id or the provider's  $4 body {"outcome", "label", "value", "reason"}  $5 reason
-- {"call_id","outcome","label","value","reason","actor","at"}
select callmend_outcome_post($1::uuid, $2::text, $3::text, $4::jsonb, $5::text)
