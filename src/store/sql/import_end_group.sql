-- write: the next import of the source may look up and store a group. False: the connection, and the lock with it, was lost.
-- $1 source
select to_jsonb(pg_advisory_unlock(hashtextextended('import:' || $1::text, 0)))
