-- write: stores what was understood and ends the jobs, of those whose lease still holds.
-- $1 owner  $2 results [{"key","wanted","doc": the output of understand(), or null}]
-- {"stored": n, "missed": [key]}
select callmend_analyst_store($1::text, $2::jsonb)
