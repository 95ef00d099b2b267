-- read: how much work there is for analysts, for /metrics.
-- {"queued","running","dead","oldest_due_s"}
select jsonb_build_object('queued', count(*) filter (where state = 'queued'),
	'running', count(*) filter (where state = 'running'), 'dead', count(*) filter (where state = 'dead'),
	'oldest_due_s', coalesce(floor(extract(epoch from now() - min(run_at) filter (where state = 'queued' and run_at <= now()))), 0)::bigint)
from jobs
