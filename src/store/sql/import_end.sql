-- write: an import is over. Of those that a session's sweeps make every hour ("missed") and that bring nothing the last one stays.
-- $1 import  $2 done or failed
-- {"imported","duplicates","bad","skipped"}
with ended as (
	update imports i set state = $2::text, finished_at = now() where i.id = $1::uuid
	returning i.id, i.source_id, i.name, i.imported, i.duplicates, i.bad, i.skipped
), gone as (
	delete from imports i using ended e where e.name = 'missed' and i.name = e.name and i.source_id = e.source_id and i.id <> e.id
		and i.state = 'done' and i.imported + i.bad + i.skipped = 0
)
select json_build_object('imported', e.imported, 'duplicates', e.duplicates, 'bad', e.bad, 'skipped', e.skipped) from ended e
