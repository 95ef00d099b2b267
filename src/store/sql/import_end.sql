-- write: an import is over.
-- $1 import  $2 done or failed
-- {"imported","duplicates","bad","skipped"}
update imports i set state = $2::text, finished_at = now() where i.id = $1::uuid
returning json_build_object('imported', i.imported, 'duplicates', i.duplicates, 'bad', i.bad, 'skipped', i.skipped)
