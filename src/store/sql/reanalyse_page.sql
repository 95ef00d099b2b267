-- write: the next calls of a project that is analysed again.
-- $1 key: project id  $2 owner  $3 wanted  $4 most
-- how many; CM002 when the lease was lost
select to_jsonb(callmend_reanalyse_page($1::text, $2::text, $3::bigint, $4::int))
