-- write: tells of recordings whose files were found in the folder; asks for those of ended calls to be made, and for those that
-- are still shown as under way (of which nothing may be left).
-- $1 JSON array [{"call","id","started_at"}]
-- {"asked": how many, "unknown": [call ids]}
with found as (
	select callmend_uuid(f->>'call') as call_id, callmend_uuid(f->>'id') as id, (f->>'started_at')::timestamptz as started_at
	from jsonb_array_elements($1::jsonb) f
), known as (
	select f.*, c.org_id, c.project_id, c.live from found f join calls c on c.id = f.call_id
), shown as (
	insert into recordings as r (id, org_id, project_id, call_id, state, started_at)
	select k.id, k.org_id, k.project_id, k.call_id, case when k.live then 'recording' else 'processing' end, k.started_at
	from known k
	on conflict (id) do update set state = excluded.state, updated_at = now()
		where r.state = 'recording' and excluded.state = 'processing'
), asked as materialized (
	-- One that was given up waits for a person.
	select callmend_job('recording', o.call_id::text, o.org_id, null, 0) from (
		select k.call_id, k.org_id from known k where not k.live
		union
		select r.call_id, r.org_id from recordings r join calls c on c.id = r.call_id
		where r.state in ('recording', 'processing') and not c.live
	) o
	where not exists (select from jobs j where j.kind = 'recording' and j.key = o.call_id::text)
)
select json_build_object('asked', (select count(*) from asked),
	'unknown', (select coalesce(json_agg(f.call_id), '[]') from found f where not exists (select from calls c where c.id = f.call_id)))
