-- write: what the words in a recording mean for its call, which was followed live.
-- $1 call  $2 events, JSON array (event_write)  $3 summary of a session that was told nothing else
select callmend_words_put($1::uuid, $2::jsonb, $3::jsonb)
