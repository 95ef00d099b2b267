-- A source's page shows its latest call and how many there were in a day.
create index calls_source on calls (source_id, started_at desc);
