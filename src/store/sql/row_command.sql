-- write: a command and its present state. The row never goes back (last_seq).
-- $1 org  $2 call  $3 seq  $4 the event (command)
insert into interventions as i (id, org_id, call_id, verb, target, state, text, actor, reason, requested_at, accepted_at,
	effect_at, latency_ms, error, evidence, last_seq)
select (d->>'command_id')::uuid, $1::uuid, $2::uuid, coalesce(d->>'verb', ''), nullif(d->>'target', ''),
	coalesce(d->>'state', ''), coalesce(nullif(d->>'text', ''), nullif(e->>'text', '')), nullif(d->>'actor', ''),
	nullif(d->>'reason', ''), coalesce((d->>'requested_at')::timestamptz, (e->>'at')::timestamptz),
	(d->>'accepted_at')::timestamptz, (d->>'effect_at')::timestamptz, (d->>'latency_ms')::bigint,
	nullif(d->>'error', ''), nullif(d->'evidence', 'null'), $3::bigint
from (select e, e->'data' as d from (select $4::jsonb as e) x) given
on conflict (id) do update set
	state = excluded.state,
	text = coalesce(excluded.text, i.text),
	accepted_at = coalesce(excluded.accepted_at, i.accepted_at),
	effect_at = coalesce(excluded.effect_at, i.effect_at),
	latency_ms = coalesce(excluded.latency_ms, i.latency_ms),
	error = coalesce(excluded.error, i.error),
	evidence = coalesce(excluded.evidence, i.evidence),
	last_seq = excluded.last_seq,
	updated_at = now()
where excluded.last_seq >= i.last_seq
