/* Every option of a node, declared once: struct config, the reader of the YAML file and of the
 * environment, defaults, limits, docs/configuration.md and config/callmend.example.yaml all come
 * from this table.
 *
 * X(member, "path in the file", TYPE, "default as one would write it", LIMITS, "documentation")
 *
 * The member is the path with '_' for '.', the environment variable is CALLMEND_ and the member in
 * capitals (both tested). Units are in the names. TYPE: TEXT, PATH (made absolute), INT, SIZE
 * (bytes), DURATION (ms), CHOICE (index into the choices), SECRET (a reference, never the secret).
 * LIMITS: RANGE(least, most), for TEXT and PATH of the length; CHOICES("a b c"); ANY. Options of
 * one section stand together. */
#ifndef CALLMEND_BASE_OPTIONS_H
#define CALLMEND_BASE_OPTIONS_H

#define OPTIONS(X)                                                                                 \
	X(state_dir, "state_dir", PATH, "./.state", RANGE(1, 4000),                                \
	  "Folder for everything the node keeps: journal, private PostgreSQL cluster, directory "  \
	  "cache. Created with mode 0700. A relative path counts from the working directory at "   \
	  "start.")                                                                                \
	X(secrets_dir, "secrets_dir", PATH, "", RANGE(0, 4000),                                    \
	  "Folder with one file per secret, for sources and tools whose secret is given as "       \
	  "{\"file\": \"name\"}. Only plain file names inside it can be referred to. Default: "    \
	  "the folder `secrets` inside `state_dir`.")                                              \
	X(public_url, "public_url", TEXT, "", RANGE(0, 2000),                                      \
	  "How providers and browsers reach this node, such as `https://calls.example.com`. Used " \
	  "in the links and webhook addresses Callmend shows, and for webhook subscriptions of "   \
	  "sources whose `connect` gives no address. Default: none, addresses are shown without "  \
	  "a host.")                                                                               \
	X(listen_host, "listen.host", TEXT, "127.0.0.1", RANGE(1, 255),                            \
	  "Address to listen on for webhooks, API and live view. The default reaches this "        \
	  "machine only; `0.0.0.0` or `::` means every interface, and then TLS belongs in front "  \
	  "(a proxy).")                                                                            \
	X(listen_port, "listen.port", INT, "8080", RANGE(0, 65535),                                \
	  "TCP port to listen on. 0 takes any free port and logs which.")                          \
	X(database_url, "database.url", SECRET, "", ANY,                                           \
	  "PostgreSQL connection string or URI (it holds a password, hence a secret), PostgreSQL " \
	  "15 or later. Default: none, and `callmend up` runs a private cluster inside "           \
	  "`state_dir`.")                                                                          \
	X(database_max_queries_waiting, "database.max_queries_waiting", INT, "256",                \
	  RANGE(1, 100000),                                                                        \
	  "API queries that may wait for a database connection. When full, further ones are "      \
	  "answered 503 at once. Calls and webhooks do not use these queries.")                    \
	X(core_shards, "core.shards", INT, "0", RANGE(0, 63),                                      \
	  "Threads that run calls, each with its own event loop, 63 at most. 0: one per "          \
	  "processor.")                                                                            \
	X(core_max_calls, "core.max_calls", INT, "20000", RANGE(1, 10000000),                      \
	  "Calls with a session in memory at a time, over all shards. When full, webhooks of new " \
	  "calls get 503 with Retry-After (those whose answer the provider waits for get their "   \
	  "configured default); calls under way go on.")                                           \
	X(core_max_media, "core.max_media", INT, "2000", RANGE(0, 1000000),                        \
	  "Sockets of live audio at a time, over all shards. When full, further ones are refused " \
	  "with 503.")                                                                             \
	X(core_body_limit_bytes, "core.body_limit_bytes", SIZE, "11MiB", RANGE(64 * KIB, 1 * GIB), \
	  "Largest request body. A larger one is answered 413. The default accepts 10 MiB bodies " \
	  "with room to spare.")                                                                   \
	X(core_drain_limit_ms, "core.drain_limit_ms", DURATION, "10m", RANGE(0, 24 * HOUR),        \
	  "After SIGTERM: how long running calls may take to end before the node stops anyway. "   \
	  "Calls cut off this way are picked up from the journal at the next start.")              \
	X(core_mailbox_limit, "core.mailbox_limit", INT, "65536", RANGE(64, 16777216),             \
	  "Messages that may wait for one shard. When full, the sender is refused and its "        \
	  "webhook is answered 503 with Retry-After.")                                             \
	X(core_watcher_queue_bytes, "core.watcher_queue_bytes", SIZE, "1MiB",                      \
	  RANGE(64 * KIB, 1 * GIB),                                                                \
	  "Bytes that may wait for one live watcher (WebSocket). When full, the queue is "         \
	  "dropped, counted, and the watcher gets a fresh snapshot; calls are never slowed by a "  \
	  "watcher.")                                                                              \
	X(media_bind_grace_ms, "media.bind_grace_ms", DURATION, "3s", RANGE(1, 1 * HOUR),          \
	  "How long live audio waits for the call it belongs to, before it becomes a call of its " \
	  "own.")                                                                                  \
	X(media_silence_limit_ms, "media.silence_limit_ms", DURATION, "1m", RANGE(100, 1 * HOUR),  \
	  "A socket of live audio on which nothing comes for so long is closed.")                  \
	X(connect_look_ms, "connect.look_ms", DURATION, "5m", RANGE(5000, 1 * HOUR),               \
	  "How often a session with events by webhook (a source's `connect`) asks RingCentral "    \
	  "whether its subscription still stands. One that is gone or blacklisted is noticed no "  \
	  "sooner, and no events come meanwhile; each look is a request of the group Light. "      \
	  "After every twelfth, and once an hour at least, live calls and the call log are asked " \
	  "for what was lost unnoticed.")                                                          \
	X(grpc_listen_host, "grpc.listen_host", TEXT, "127.0.0.1", RANGE(1, 255),                  \
	  "Address to listen on for live audio over gRPC. `0.0.0.0` or `::` means every "          \
	  "interface.")                                                                            \
	X(grpc_listen_port, "grpc.listen_port", INT, "0", RANGE(0, 65535),                         \
	  "TCP port to listen on for gRPC; RingCX calls 443 or 10443. 0: there is none.")          \
	X(grpc_certificate_file, "grpc.certificate_file", PATH, "", RANGE(0, 4000),                \
	  "Certificate for it (PEM), with its chain behind it. A file that changes is read again " \
	  "within a minute, for new connections. Default: none, and gRPC is spoken without TLS: "  \
	  "for a proxy in front that hands HTTP/2 on.")                                            \
	X(grpc_key_file, "grpc.key_file", PATH, "", RANGE(0, 4000),                                \
	  "The certificate's private key (PEM, without passphrase).")                              \
	X(grpc_max_connections, "grpc.max_connections", INT, "2000", RANGE(1, 1000000),            \
	  "Connections of gRPC at a time, over all shards. When full, further ones are closed at " \
	  "once.")                                                                                 \
	X(grpc_max_streams, "grpc.max_streams", INT, "1000", RANGE(1, 1000000),                    \
	  "Streams that one connection may have open at a time; further ones are refused, and "    \
	  "clients try them again.")                                                               \
	X(journal_segment_bytes, "journal.segment_bytes", SIZE, "64MiB", RANGE(1 * MIB, 4 * GIB),  \
	  "Size of one journal file, preallocated. Disk space is given back in whole segments.")   \
	X(journal_memory_bytes, "journal.memory_bytes", SIZE, "64MiB", RANGE(1 * MIB, 64 * GIB),   \
	  "Records that may wait in memory for the disk. When full, new webhooks get 503 with "    \
	  "Retry-After until the disk has caught up.")                                             \
	X(journal_disk_cap_bytes, "journal.disk_cap_bytes", SIZE, "8GiB",                          \
	  RANGE(2 * MIB, 64 * TIB),                                                                \
	  "All journal segments together; at least two segments. When reached (PostgreSQL away "   \
	  "for long, or retention too long for the traffic), new webhooks get 503 with "           \
	  "Retry-After: nothing that was accepted is thrown away.")                                \
	X(journal_retention_ms, "journal.retention_ms", DURATION, "1h", RANGE(0, 365 * DAY),       \
	  "How long a segment is kept after its last write, even when its events are in "          \
	  "PostgreSQL and its calls have ended. Longer allows replaying older calls from the "     \
	  "journal.")                                                                              \
	X(retention_event_days, "retention.event_days", INT, "30", RANGE(1, 36500),                \
	  "Days of call events kept in PostgreSQL. Older days are dropped whole; calls, "          \
	  "transcripts and figures stay.")                                                         \
	X(api_rate_per_s, "api.rate_per_s", INT, "200", RANGE(0, 1000000),                         \
	  "API requests and live messages a second that one token may make on average, over all "  \
	  "shards. Beyond it: 429 with Retry-After. 0: no limit. Webhooks are not counted.")       \
	X(api_rate_burst, "api.rate_burst", INT, "400", RANGE(1, 1000000),                         \
	  "How many of them may come at once after a quiet time.")                                 \
	X(tools_max_waiting, "tools.max_waiting", INT, "1000", RANGE(1, 1000000),                  \
	  "Tool requests that may run or wait at a time. When full, further ones fail at once "    \
	  "with their fallback answer, so that the assistant is never left waiting.")              \
	X(tls_ca_file, "tls.ca_file", PATH, "", RANGE(0, 4000),                                    \
	  "File with further CA certificates (PEM) for outgoing `https://`: tools, upstreams, "    \
	  "the providers' APIs and control URLs. Those of the system (`/etc/ssl/certs`) are "      \
	  "trusted besides. Read at the start of the core. Default: only the system's.")           \
	X(analyst_processes, "analyst.processes", INT, "1", RANGE(0, 64),                          \
	  "Analyst processes that `callmend up` runs: they understand finished calls, look for "   \
	  "what goes wrong and deliver notifications. Each takes nine connections of PostgreSQL "  \
	  "(the private cluster has 60). 0: none here; run `callmend analyst` elsewhere.")         \
	X(analyst_lease_ms, "analyst.lease_ms", DURATION, "60s", RANGE(1000, HOUR),                \
	  "How long a job belongs to the analyst that took it. When an analyst dies its jobs are " \
	  "taken over after this time; kinds of work that may take longer hold theirs for a "      \
	  "multiple.")                                                                             \
	X(analyst_drain_limit_ms, "analyst.drain_limit_ms", DURATION, "20s", RANGE(0, HOUR),       \
	  "After SIGTERM: how long an analyst may take for the job in hand before it ends "        \
	  "anyway. A job cut off this way is taken over by another analyst.")                      \
	X(recording_folder, "recording.folder", PATH, "", RANGE(0, 4000),                          \
	  "Where recordings are kept. Analysts that make Ogg Opus of them and nodes that play "    \
	  "them need the same folder. Default: the folder `recordings` inside `state_dir`.")       \
	X(recording_memory_bytes, "recording.memory_bytes", SIZE, "32MiB",                         \
	  RANGE(64 * KIB, 4 * GIB),                                                                \
	  "Sound of running recordings that may wait for the disk, over all calls. When full, "    \
	  "frames are left out (silence) and counted. Takes memory as it is used.")                \
	X(recording_max_bytes, "recording.max_bytes", SIZE, "1GiB", RANGE(64 * KIB, 4 * GIB),      \
	  "Largest file of one leg. When reached, its recording ends; the call goes on.")          \
	X(recording_min_free_bytes, "recording.min_free_bytes", SIZE, "1GiB", RANGE(0, 64 * TIB),  \
	  "Free space that recordings leave on their disk, for the journal's sake: with less, "    \
	  "they end and none begins; calls go on.")                                                \
	X(webhooks_first_retry_ms, "webhooks.first_retry_ms", DURATION, "5s", RANGE(1, HOUR),      \
	  "Pause before the second attempt of an outbound webhook. The further pauses are fixed "  \
	  "multiples of it: with the default 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and "  \
	  "24 h, about three days in all.")                                                        \
	X(webhooks_timeout_ms, "webhooks.timeout_ms", DURATION, "15s", RANGE(100, 30000),          \
	  "How long the receiver of an outbound webhook may take to answer. One that does not "    \
	  "is put off for some time. Keep it below `analyst.lease_ms`.")                           \
	X(model_url, "model.url", TEXT, "", RANGE(0, 2000),                                        \
	  "Where a language model with an OpenAI-compatible chat endpoint is, such as "            \
	  "`https://api.openai.com/v1`; `/chat/completions` is added. It words suggestions; "      \
	  "passages of calls are sent there. Default: none, suggestions are made by rules.")       \
	X(model_name, "model.name", TEXT, "", RANGE(0, 200), "Which model to ask there.")          \
	X(model_key, "model.key", SECRET, "", ANY,                                                 \
	  "The key for it, sent as bearer token. Default: none is sent.")                          \
	X(model_timeout_ms, "model.timeout_ms", DURATION, "30s", RANGE(100, 300000),               \
	  "How long to wait for its answer; then the rules make the suggestion.")                  \
	X(model_max_tokens, "model.max_tokens", INT, "2000", RANGE(16, 100000),                    \
	  "The longest answer that is asked for.")                                                 \
	X(model_prompt_price_millidollars, "model.prompt_price_millidollars", INT, "0",            \
	  RANGE(0, 1000000000),                                                                    \
	  "Price of a million tokens sent, in thousandths of a US dollar: 150 is $0.15.")          \
	X(model_completion_price_millidollars, "model.completion_price_millidollars", INT, "0",    \
	  RANGE(0, 1000000000),                                                                    \
	  "Price of a million tokens received, in thousandths of a US dollar: 600 is $0.60.")      \
	X(model_daily_cap_cents, "model.daily_cap_cents", INT, "200", RANGE(0, 100000000),         \
	  "What the model may cost an organisation on one day (UTC), in US cents, by these "       \
	  "prices. When reached, the rules make the suggestions until the next day.")              \
	X(model_daily_requests, "model.daily_requests", INT, "200", RANGE(0, 1000000),             \
	  "Requests to the model for an organisation on one day (UTC). When reached, likewise.")   \
	X(log_level, "log.level", CHOICE, "info", CHOICES("debug info warn error"),                \
	  "Least severe lines that are logged, on stderr.")                                        \
	X(log_format, "log.format", CHOICE, "text", CHOICES("text json"),                          \
	  "`text` for people, `json` (one object per line) for log collectors.")

#endif
