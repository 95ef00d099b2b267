-- read: what an apply job has to do.
-- $1 source id
-- callmend_apply_load(); null: nothing
select callmend_apply_load(callmend_uuid($1::text))
