-- write: moves the journal's position, or fails with CM001 when it is not where it should be.
-- $1 journal  $2 from  $3 up to
select callmend_journal_move($1::uuid, $2::bigint, $3::bigint)
