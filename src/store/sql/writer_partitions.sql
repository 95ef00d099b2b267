-- write: makes the partitions of yesterday to the day after tomorrow (UTC), drops those that are too old.
-- $1 days to keep
select json_build_object(
	'made', (select count(*) filter (where callmend_partition((now() at time zone 'UTC')::date + n)) from generate_series(-1, 2) n),
	'dropped', callmend_partitions_drop((now() at time zone 'UTC')::date - $1::int))
