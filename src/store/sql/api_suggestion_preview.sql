-- read: the instructions before and after a suggestion: while it is undecided, those in force now; when it was accepted, the version
-- it made and the one before that; when it was rejected, those it was made for.
-- $1 org  $2 project id  $3 suggestion id
-- {"suggestionId","status","baseVersion","inForce","rebased","sections": [{section, before, after, changed}],
--  "conflicts": [{section, detail}],"before","after"}
with s as (
	select x.*, r.parent, (select i.current_version from instructions i where i.project_id = x.project_id) as in_force
	from suggestions x left join instruction_versions r on r.id = x.result_version
	where x.org_id = $1::uuid and x.project_id = callmend_uuid($2::text) and x.id = callmend_uuid($3::text)
), old as (
	select s.id, callmend_sections_of(case when s.result_version is not null then s.parent
		when s.status = 'pending' then s.in_force else s.base_version end) as sections from s
), new as (
	select case when s.result_version is not null then callmend_sections_of(s.result_version) else made.sections end as sections,
		case when s.result_version is not null then '[]' else made.conflicts end as conflicts
	from s, old, callmend_suggestion_rebase(s.id, old.sections) made
)
select jsonb_build_object('suggestionId', s.id, 'status', s.status, 'baseVersion', s.base_version, 'inForce', s.in_force,
	'rebased', s.status = 'pending' and s.in_force is distinct from s.base_version,
	'sections', callmend_sections_compare(old.sections, new.sections), 'conflicts', new.conflicts,
	'before', callmend_instruction_text(old.sections), 'after', callmend_instruction_text(new.sections))
from s, old, new
