-- write: $1 source, $2 owner, $3 wanted. Ends a look for missed calls (callmend_missed_done).
select to_jsonb(callmend_missed_done($1::text, $2::text, $3::bigint))
