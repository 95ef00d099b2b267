-- read: the whole directory as one document (callmend/directory.h says what becomes of it). No parameters.
-- {"version": n,
--  "tokens": [{"id","org_id","name","role","hash": 64 hex digits,"expires_at": time or null}],
--  "projects": [{"id","org_id","name","language","settings": {},"instruction_version": id or null,
--                "instruction_number": n,"instruction_text": "...","fields": [],"rules": {},"context": {},"audio": {},
--                "mappings": [{"id","term","mapped"}],
--                "tools": [{"id","name","url","method","headers": [{"name","value"} or {"name","secret"}],
--                           "timeout_ms","fallback","success": {},"result_path","search_argument"}]}],
--  "sources": [{"id","org_id","project_id","dialect","name","auth": [],"private_key","control_key","api_base",
--               "upstream_url","upstream_timeout_ms","answers": {},"assistant","assistant_id","assistant_mode",
--               "variable_values": {},"failure","connect","settings": {}}]}
select json_build_object(
	'version', (select version from directory_version),
	'tokens', (select coalesce(json_agg(json_build_object('id', t.id, 'org_id', t.org_id, 'name', t.name,
			'role', t.role, 'hash', encode(t.hash, 'hex'), 'expires_at', callmend_time(t.expires_at))
			order by t.id), '[]')
		from api_tokens t where t.revoked_at is null),
	'projects', (select coalesce(json_agg(json_build_object('id', p.id, 'org_id', p.org_id, 'name', p.name,
			'language', p.language, 'settings', p.settings,
			'instruction_version', v.id, 'instruction_number', coalesce(v.number, 0),
			'instruction_text', coalesce(v.text, ''), 'fields', p.fields, 'rules', p.rules, 'context', p.context, 'audio', p.audio,
			'mappings', (select coalesce(json_agg(json_build_object('id', m.id, 'term', m.search_term,
				'mapped', m.mapped_terms->>0) order by m.id), '[]')
				from search_term_mappings m where m.project_id = p.id and m.active),
			'tools', (select coalesce(json_agg(callmend_tool(t) order by t.id), '[]')
				from tool_definitions t where t.project_id = p.id and t.archived_at is null))
			order by p.id), '[]')
		from projects p
		left join instructions i on i.project_id = p.id
		left join instruction_versions v on v.id = i.current_version
		where p.archived_at is null),
	'sources', (select coalesce(json_agg(callmend_source(s) order by s.id), '[]')
		from sources s where s.archived_at is null))
