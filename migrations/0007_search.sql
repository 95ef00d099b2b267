-- Finding calls by a part of a text (filters `customer` and `q` of the API) without reading all of them. pg_trgm belongs to
-- PostgreSQL itself and is a trusted extension: the owner of the database may create it.
create extension if not exists pg_trgm;

create function callmend_part(part text) returns text language sql immutable as $$
	select '%' || replace(replace(replace(part, '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
comment on function callmend_part(text) is 'The LIKE pattern of texts that have this part, whatever characters it is of; null for null';

create index calls_customer_part on calls using gin (customer_number gin_trgm_ops);
create index calls_customer_name_part on calls using gin (lower(customer->>'name') gin_trgm_ops);
create index calls_summary_part on calls using gin (lower(summary) gin_trgm_ops);
create index messages_text_part on messages using gin (lower(text) gin_trgm_ops);
create index conversations_customer_part on conversations using gin (customer_number gin_trgm_ops);
