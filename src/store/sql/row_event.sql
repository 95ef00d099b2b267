-- write: an event (A2).
-- $1 call  $2 seq  $3 day  $4 conversation  $5 type  $6 speaker or ''  $7 text  $8 is_final  $9 at  $10 offset_ms (-1: unknown)
-- $11 data  $12 org  $13 arrived
insert into call_events (call_id, seq, day, conversation_id, type, speaker, text, is_final, at, offset_ms, data, org_id,
	arrived_at)
values ($1::uuid, $2::bigint, $3::date, $4::uuid, $5::text, nullif($6::text, ''), nullif($7::text, ''), $8::boolean,
	$9::timestamptz, nullif($10::bigint, -1), $11::jsonb, $12::uuid, $13::timestamptz)
