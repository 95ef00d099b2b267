-- write: asks for calls that a source's session may have missed; an analyst looks for them in the platform's call log, a while later.
-- $1 source  $2 since  $3 until, both of the platform's clock  $4 how often they are looked for
-- {"since","until","looks"}: the payload; null: no such source
select callmend_calls_missed(callmend_uuid($1::text), $2::timestamptz, $3::timestamptz, $4::integer)
