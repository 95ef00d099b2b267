-- write: imports of one source look up and store their groups one after the other. Until import_end_group, or the connection's end.
-- A statement of its own: the next one sees what the one before has stored.
-- $1 source
select to_jsonb(true) from (select pg_advisory_lock(hashtextextended('import:' || $1::text, 0))) held
