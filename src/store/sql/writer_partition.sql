-- write: makes the partition of a day when it is missing, unless the day is outside of what is kept; today is UTC.
-- $1 day  $2 days to keep
select case when $1::date between (now() at time zone 'UTC')::date - $2::int and (now() at time zone 'UTC')::date + 2
	then callmend_partition($1::date) end
