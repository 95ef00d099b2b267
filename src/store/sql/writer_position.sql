-- read: the position of a journal as text; 0 when it was never stored.
-- $1 journal
select coalesce((select position from journal_positions where journal = $1::uuid), 0)::text
