-- read: events of one call for an export, in order, after a given one.
-- $1 call  $2 after: sequence, -1: from the beginning  $3 most
select coalesce(json_agg(json_build_object('call_id', call_id, 'seq', seq, 'at', callmend_time(at),
	'offset_ms', offset_ms, 'type', type, 'speaker', speaker, 'text', text, 'is_final', is_final,
	'data', data) order by seq), '[]')
from (
	select * from call_events e where e.call_id = $1::uuid and e.seq > $2::bigint order by e.seq limit $3::int
) page
