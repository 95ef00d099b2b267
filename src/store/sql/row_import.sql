-- write: how far an import is, in the transaction of the rows it tells of.
-- $1 import  $2 {"records","imported","duplicates","bad","skipped": totals, "mistakes": the new ones}
update imports i set
	records = (given->>'records')::bigint,
	imported = (given->>'imported')::bigint,
	duplicates = (given->>'duplicates')::bigint,
	bad = (given->>'bad')::bigint,
	skipped = (given->>'skipped')::bigint,
	mistakes = i.mistakes || coalesce(given->'mistakes', '[]')
from (select $2::jsonb as given) x
where i.id = $1::uuid
