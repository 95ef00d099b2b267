-- read: how often each field of a project is captured in its analysed calls, and why not (D1).
-- $1 org  $2 project id  $3 from (time)  $4 to (time)  $5 instruction version id
-- {"project_id","from","to","calls","fields": [{"field","label","required","wanted_now","calls","captured","rate","never_asked",
--  "asked_not_captured","refused"}]}
with chosen as (
	select a.call_id from call_analyses a
	where a.project_id = callmend_uuid($2::text)
		and ($3::timestamptz is null or a.started_at >= $3::timestamptz)
		and ($4::timestamptz is null or a.started_at < $4::timestamptz)
		and ($5::uuid is null or a.instruction_version = $5::uuid)
), counted as (
	select v.field, bool_or(v.required) as required, count(*) as n, count(*) filter (where v.state = 'captured') as captured,
		count(*) filter (where v.state = 'never_asked') as never_asked,
		count(*) filter (where v.state = 'asked_not_captured') as asked, count(*) filter (where v.state = 'refused') as refused
	from captured_values v join chosen c on c.call_id = v.call_id group by v.field
), wanted as (
	select f->>'name' as field, f->>'label' as label, coalesce((f->>'required')::boolean, true) as required, n
	from projects p, jsonb_array_elements(p.fields) with ordinality as x(f, n)
	where p.id = callmend_uuid($2::text)
)
select json_build_object('project_id', p.id, 'from', callmend_time($3::timestamptz), 'to', callmend_time($4::timestamptz),
	'calls', (select count(*) from chosen),
	'fields', (select coalesce(json_agg(json_build_object('field', coalesce(w.field, c.field), 'label', w.label,
		'required', coalesce(w.required, c.required), 'wanted_now', w.field is not null, 'calls', coalesce(c.n, 0),
		'captured', coalesce(c.captured, 0), 'rate', round(c.captured::numeric / nullif(c.n, 0), 4),
		'never_asked', coalesce(c.never_asked, 0), 'asked_not_captured', coalesce(c.asked, 0), 'refused', coalesce(c.refused, 0))
		order by w.n nulls last, c.field), '[]')
		from wanted w full join counted c on c.field = w.field))
from projects p where p.id = callmend_uuid($2::text) and p.org_id = $1::uuid
