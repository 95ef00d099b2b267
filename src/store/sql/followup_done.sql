-- write: ends the job of a source; it comes again when its next call is due.
-- $1 source  $2 owner  $3 wanted
select to_jsonb(callmend_follow_ups_done($1::text, $2::text, $3::bigint))
