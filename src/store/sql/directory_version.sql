-- read: the number of the present directory. No parameters.
select json_build_object('version', version) from directory_version
