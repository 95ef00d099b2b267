-- write: begins an import, or goes on with it.
-- $1 import  $2 source  $3 name  $4 format  $5 since or null  $6 until or null
-- {"records","imported","duplicates","bad","skipped","mistakes": n,"state": as it was before or null,
--  "versions": [{"id","at"}]} (of the project's instructions, oldest first)
with given as (
	select s.id, s.org_id, s.project_id from sources s where s.id = $2::uuid and s.archived_at is null
), old as (
	select i.state from imports i where i.id = $1::uuid
), new as (
	insert into imports as i (id, org_id, source_id, name, format, since, until)
	select $1::uuid, org_id, id, $3::text, $4::text, $5::timestamptz, $6::timestamptz from given
	on conflict (id) do update set state = 'running', finished_at = null
	returning i.*
)
select json_build_object('records', new.records, 'imported', new.imported, 'duplicates', new.duplicates,
	'bad', new.bad, 'skipped', new.skipped, 'mistakes', jsonb_array_length(new.mistakes),
	'state', (select state from old),
	'versions', (select coalesce(json_agg(json_build_object('id', v.id, 'at', callmend_time(v.created_at))
			order by v.created_at, v.number), '[]')
		from instructions i join instruction_versions v on v.instruction_id = i.id
		where i.project_id = given.project_id))
from new, given
