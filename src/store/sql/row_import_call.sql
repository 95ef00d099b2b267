-- write: which import brought a call.
-- $1 import  $2 call
update calls c set import_id = $1::uuid where c.id = $2::uuid and c.import_id is null
