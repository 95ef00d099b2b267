-- Finished calls for the analyst bench, in the shape the projector stores them: turns among three times as many other
-- events, messages, tool calls, a system message of some kilobytes.
-- :calls, :turns
create temporary table said (n int primary key, speaker text, words text);
insert into said select row_number() over () - 1, case when w like 'a:%' then 'ai' else 'user' end, substr(w, 4) from (values
	('a: Thank you for calling Hibachi at Home, this is Mia. How can I help you today?'),
	('u: Hi, um, I would like to book a chef for my son''s birthday party.'),
	('a: That sounds wonderful! May I have your name, please?'),
	('u: My name is Anna Miller.'),
	('a: Nice to meet you, Anna. And what is your email address?'),
	('u: It is anna dot miller at example dot com.'),
	('a: Great. How many guests will there be?'),
	('u: About fifteen, I think, maybe two of them are kids.'),
	('a: Perfect. What day are you looking at?'),
	('u: Saturday the twelfth, in the evening if possible.'),
	('a: Let me check that for you, one moment please.'),
	('u: Sure. Do you have vegetarian options?'),
	('a: Yes, we have tofu and vegetable dishes at the same price.'),
	('u: And is there a travel fee? We live pretty far out.'),
	('a: I am not sure about the travel fee, but I can have someone call you back.'),
	('u: Hmm, okay. That is a bit expensive though, we are on a tight budget.'),
	('a: I understand. The minimum is five hundred dollars for a party of your size.'),
	('u: I need to check with my husband first.'),
	('a: Of course. Shall I send you the details by email?'),
	('u: Yes please, thank you, that would be great. Goodbye.')) v(w);

insert into projects (id, org_id, name, fields, success_rule, tags)
select ('20000000-0000-7000-8000-' || lpad(p::text, 12, '0'))::uuid, '00000000-0000-7000-8000-000000000001', 'bench ' || p,
	'[{"name": "name", "label": "name", "type": "name"}, {"name": "email", "label": "email address", "type": "email"},
	  {"name": "guests", "label": "number of guests", "type": "number", "ask": ["how many guests"]},
	  {"name": "date", "label": "date", "type": "date", "ask": ["what day"]},
	  {"name": "phone", "label": "phone number", "type": "phone", "required": false}]',
	'{"success": [{"tool": "book"}, {"phrase": "you are booked", "speaker": "ai"}]}',
	'[{"tag": "vegetarian", "phrases": ["vegetarian", "vegan"]}]'
from generate_series(1, 5) p;
insert into instructions (id, org_id, project_id) select id, org_id, id from projects;
insert into instruction_versions (id, org_id, project_id, instruction_id, number, sections, text, author)
select gen_random_uuid(), org_id, id, id, v, '[]', 'Version ' || v || E'\n' || repeat('You book chefs for parties. Be brief and friendly. ', 80),
	'cli' from projects, generate_series(1, 5) v;

select callmend_partition(d::date) from generate_series((now() at time zone 'UTC')::date - 30, (now() at time zone 'UTC')::date + 1, interval '1 day') d;

create temporary table bench_call as
select i, ('10000000-0000-5000-8000-' || lpad(i::text, 12, '0'))::uuid as id,
	('20000000-0000-7000-8000-' || lpad((i % 5 + 1)::text, 12, '0'))::uuid as project, now() - (i % 20) * interval '1 day' as at
from generate_series(1, :calls) i;

insert into call_events (call_id, seq, day, org_id, conversation_id, type, speaker, text, is_final, at, offset_ms, data, arrived_at)
select c.id, (t * 4 + k) * 1000, (c.at at time zone 'UTC')::date, '00000000-0000-7000-8000-000000000001', c.id,
	case k when 3 then 'turn' when 2 then 'transcript.final' when 1 then 'transcript.partial' else 'speech.started' end,
	s.speaker, case when k > 0 then s.words end, k >= 2, c.at, t * 3000 + k * 500,
	case when k = 3 then jsonb_build_object('turn', t, 'revision', 0, 'started_at', c.at, 'ended_at', c.at, 'words', 12)
		else '{"turn": 1}' end, c.at
from bench_call c, generate_series(0, :turns - 1) t, generate_series(0, 3) k, said s
where s.n = (t + case when t >= 20 then c.i else 0 end) % 20;

insert into call_events (call_id, seq, day, org_id, type, is_final, at, offset_ms, data, arrived_at)
select c.id, 3500, (c.at at time zone 'UTC')::date, '00000000-0000-7000-8000-000000000001', 'signal', false, c.at, 9000,
	'{"signal": "frustration", "score": 70, "state": "raised", "evidence": [{"seq": 1, "at_ms": 9000, "text": "a bit expensive"}]}', c.at
from bench_call c where c.i % 7 = 0;

insert into messages (conversation_id, call_id, seq, org_id, role, speaker, position, text, at)
select c.id, c.id, 1, '00000000-0000-7000-8000-000000000001'::uuid, 'system', null, 0,
	'Version ' || c.i % 5 + 1 || E'\n' || repeat('You book chefs for parties. Be brief and friendly. ', 80), c.at from bench_call c
union all
select c.id, c.id, t * 4000 + 3001, '00000000-0000-7000-8000-000000000001', case s.speaker when 'ai' then 'assistant' else 'user' end,
	s.speaker, t + 1, s.words, c.at
from bench_call c, generate_series(0, :turns - 1) t, said s where s.n = (t + case when t >= 20 then c.i else 0 end) % 20;

insert into tool_calls (id, org_id, project_id, call_id, tool_call_id, tool, arguments, requested_at, duration_ms, success, result, error,
	requested_seq, finished_seq)
select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', c.project, c.id, 'x' || k, case k when 1 then 'search_menu' else 'book' end,
	case k when 1 then '{"query": "tofu steak"}'::jsonb else '{"guests": 15, "date": "Saturday"}' end, c.at, 300,
	case k when 1 then c.i % 3 > 0 else c.i % 2 = 0 end, '{"found": []}', case when k = 1 then 'nothing found' else 'HTTP 500' end,
	30000 + k * 4000, 30001 + k * 4000
from bench_call c, generate_series(1, 2) k;
update tool_calls set error = null where success;

-- Last: the trigger asks for their analysis.
insert into calls (id, org_id, project_id, conversation_id, provider_call_id, kind, status, live, started_at, ended_at, duration_ms,
	ended_reason, ended_class, customer, customer_number, event_count, turn_count, report, last_seq)
select c.id, '00000000-0000-7000-8000-000000000001', c.project, c.id, 'bench-' || c.i, 'inboundPhoneCall', 'ended', false, c.at,
	c.at + interval '3 minutes', 180000, 'customer-ended-call', 'customer', '{"name": "Anna"}', '+1555' || c.i % (:calls / 3 + 1), 100,
	:turns, '{"success_evaluation": "true", "structured_data": {"guests": 15}}', 1000000
from bench_call c;
update jobs set run_at = now() where kind = 'analyse';
analyze;
