-- read: loads calls that were claimed.
-- $1 [key of a job]
-- {"calls": [{"project_id","finished": the input of understand() without project and versions, or null when there is no such
--  finished call}] in the order of the keys, "projects": {id: {"project","versions"}}}
select callmend_analyst_load(array(select k #>> '{}' from jsonb_array_elements($1::jsonb) with ordinality e(k, n) order by n))
