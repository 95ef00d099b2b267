/* PostgreSQL, seen from the rest: migrations, queries of the API, the projector's writes, the
 * directory. All SQL is in src/store/sql and migrations (compiled in).
 *
 * Threads: a `struct store` has threads of its own (queries, directory); answers come back on the
 * shard that asked. A `store_writer` belongs to one thread and blocks it. */
#ifndef CALLMEND_STORE_H
#define CALLMEND_STORE_H

#include <stdint.h>

#include "callmend/directory.h"
#include "callmend/fault.h"
#include "callmend/span.h"
#include "callmend/uuid.h"
#include "rt/shard.h"

struct store_config {
	const char *url;       /* libpq connection string or URI */
	const char *state_dir; /* directory.json lives here */
	const char *secrets_dir;
	unsigned connections; /* for queries; default 2 */
	unsigned max_waiting; /* queries waiting; more: E_FULL */
	/* On a store thread: a new directory (one reference given). Also called once from the local
	 * file at start when PostgreSQL is away. */
	void (*on_directory)(void *user, const struct directory *);
	/* On a store thread: a notification was made, as JSON; NULL: nobody asks. Those made while
	 * PostgreSQL was away are not told. */
	void (*on_notification)(void *user, const struct uuid *org, struct span json);
	void *user;
};

/* At a first start, and when a new version begins, server, database and schema are still being
 * made: so long it is no wonder that nobody answers. */
enum { STORE_MADE_MS = 30000 };

struct store;
MUST int store_new(struct store **out, const struct store_config *, struct fault *f);
/* Before the shards that asked go: ends the threads, answers what waits with E_UNAVAILABLE;
 * store_query is refused from now on. */
void store_close(struct store *);
void store_free(struct store *);
bool store_connected(const struct store *); /* any thread */

/* --- what PostgreSQL refuses ---
 * Errors that are nobody's input (src/store/sqlstate.c says which): every part goes on trying, and
 * what it meets is logged with what to do, counted and told here until it works again. */
/* X(id, "name", "what fails") */
#define STORE_PARTS(X)                                                                       \
	X(PROJECTOR, "projector", "rows cannot be stored, the journal holds them meanwhile") \
	X(RETENTION, "retention", "partitions of call_events cannot be made or dropped")     \
	X(QUERIES, "queries", "a query of the API fails")                                    \
	X(DIRECTORY, "directory", "changed sources, projects and tokens cannot be loaded")

enum store_part {
#define X(id, name, doc) STORE_PART_##id,
	STORE_PARTS(X)
#undef X
		STORE_PART_COUNT
};

struct store_trouble {
	const char *part, *name, *advice; /* static texts */
	char sqlstate[6];
	bool degraded; /* somebody must do something; false: passes by itself */
	int64_t since_us;
};
/* Present troubles, at most one a part; how many. Any thread. */
size_t store_troubles(struct store *, struct store_trouble out[STORE_PART_COUNT]);

/* --- queries ---
 * A query is a file src/store/sql/<name>.sql: one statement with $1..$n, giving exactly one row
 * with one column: JSON text (objects and arrays are built by PostgreSQL). Text parameters; NULL
 * allowed. SQL that changes something also writes audit_log in the same statement. */
struct store_answer {
	int code; /* 0, E_UNAVAILABLE (away, or lost in between), E_INVALID, E_CONFLICT, E_NOT_FOUND
		     (no row or JSON null) */
	struct span json;   /* code 0 */
	struct span detail; /* otherwise: one line for people; PostgreSQL's message for
			       E_INVALID/E_CONFLICT (SQLSTATE_ROW) */
};
typedef void store_done_fn(void *user, const struct store_answer *);
/* `done` runs on `here`. E_FULL when too many wait, E_INVALID for an unknown query name (our bug:
 * CHECK). Copies parameters. */
MUST int store_query(struct store *, struct shard *here, const char *name,
		     const char *const *params, size_t n, store_done_fn *done, void *user);

/* --- the projector's side --- */
/* X(name, "sql file", documentation). All parameters are text. */
#define STORE_ROWS(X)                                                                              \
	X(EVENT, "row_event",                                                                      \
	  "call, seq, day, conversation, type, speaker, text, is_final, at, offset_ms, data, "     \
	  "org, arrived")                                                                          \
	X(CALL, "row_call",                                                                        \
	  "session_summary JSON, data of call.report or null: inserts or updates calls (and "      \
	  "conversations)")                                                                        \
	X(MESSAGE, "row_message", "org, conversation, call, seq, event JSON (MESSAGE)")            \
	X(TOOL, "row_tool", "org, project, call, seq, event JSON (TOOL_REQUESTED, TOOL_FINISHED)") \
	X(COMMAND, "row_command", "org, call, seq, event JSON (COMMAND) -> interventions")         \
	X(FACT, "row_fact", "org, project, call, seq, event JSON (FACT), number -> contacts")      \
	X(SERVED, "row_served", "project, source, event JSON (SERVED) -> suggestions applied")     \
	X(INSIGHT, "row_insight", "org, call, event JSON (INSIGHT) -> call_insights")              \
	X(IMPORT, "row_import", "import, totals JSON: how far it is")                              \
	X(IMPORT_CALL, "row_import_call", "import, call it brought")                               \
	X(ANEW, "row_anew", "call: made anew by an import, what it was told before goes")          \
	X(WORDS, "row_words", "call, events JSON array, summary: words of a call followed live")   \
	X(RECORDING, "row_recording", "call, recording JSON, waveform JSON: of an imported call")  \
	X(QUARANTINE, "row_quarantine",                                                            \
	  "journal id, record number, call or null, kind, reason, body bytea (hex), arrived")

enum store_row_kind {
#define X(name, file, doc) STORE_ROW_##name,
	STORE_ROWS(X)
#undef X
		STORE_ROW_KINDS
};
enum { STORE_ROW_MAX_PARAMS = 13 };

struct store_row {
	enum store_row_kind kind;
	uint64_t record;			  /* the journal record it comes from */
	const char *params[STORE_ROW_MAX_PARAMS]; /* zero terminated; NULL: SQL null */
};

struct store_writer;
/* Does not connect yet. */
MUST int store_writer_new(struct store_writer **out, const char *url, const struct uuid *journal,
			  struct fault *f);
void store_writer_free(struct store_writer *);
/* From now on its troubles are told by this store, which must outlive it; NULL: by nobody. */
void store_writer_report(struct store_writer *, struct store *);
/* The journal position up to which everything is stored (0: nothing yet); connects when needed.
 * E_UNAVAILABLE: try again later. */
MUST int store_writer_position(struct store_writer *, uint64_t *position, struct fault *f);
/* Rows and position in one transaction (pipeline mode, prepared statements). Either all is stored,
 * refused rows (SQLSTATE_ROW of src/store/sqlstate.c; no partition) in quarantine with their bytes
 * and reason, or nothing (E_UNAVAILABLE: try the same again; if the commit's fate was unknown the
 * next call finds out by the position). `from` must equal the stored position, else E_CONFLICT
 * (another projector): stop. */
MUST int store_write(struct store_writer *, const struct store_row *rows, size_t n, uint64_t from,
		     uint64_t upto, size_t *refused, struct fault *f);
/* Creates missing partitions of call_events for the days [today-1, today+2] and drops those older
 * than `keep_days`. */
MUST int store_writer_partitions(struct store_writer *, unsigned keep_days, struct fault *f);

/* --- schema and private cluster --- */
/* Runs what is missing, under an advisory lock; *applied counts. Refuses a database from a newer
 * Callmend. Everything else here uses a database only when all migrations that this program knows
 * have run there; until then it is as if it were away (src/store/schema.h). */
MUST int store_migrate(const char *url, unsigned *applied, struct fault *f);

/* A private cluster in <state_dir>/postgres on a unix socket there: initdb once, adopt or stop a
 * leftover postmaster of the same folder, start. As root it runs as an unprivileged user
 * ("postgres" or "nobody"), chowning its folder. Blocks until it accepts connections. */
struct cluster;
MUST int cluster_start(struct cluster **out, const char *state_dir, struct fault *f);
/* The same without blocking: cluster_new finds folders, user and programs and says what is wrong
 * with them. cluster_step goes on with the start as far as it can without waiting: to be called
 * every CLUSTER_STEP_MS until `*running`, and now and then afterwards: when the server has ended
 * meanwhile, or after a failure, it begins anew. cluster_stop may be called at any time. */
enum { CLUSTER_STEP_MS = 20 };
MUST int cluster_new(struct cluster **out, const char *state_dir, struct fault *f);
MUST int cluster_step(struct cluster *, bool *running, struct fault *f);
const char *cluster_url(const struct cluster *);
/* The URL that the private cluster of this state folder has when it runs; E_NOT_FOUND when there is
 * no such cluster. */
MUST int cluster_find_url(const char *state_dir, struct buf *out, struct fault *f);
pid_t cluster_pid(const struct cluster *); /* of the server; 0 while there is none */
/* Not running any more? (for the parent's supervision, which then starts it again) */
bool cluster_alive(struct cluster *);
void cluster_stop(struct cluster *); /* fast shutdown, waits; frees */

/* --- for processes that may wait: analysts, imports, command line verbs ---
 * One connection, one thread. Statements are the same files as for store_query and are prepared
 * once. Reconnects by itself at the next call after E_UNAVAILABLE. */
struct store_link;
MUST int store_link_new(struct store_link **out, const char *url,
			struct fault *f); /* does not connect yet */
void store_link_free(struct store_link *);
/* `out` receives the one JSON value (emptied first). E_NOT_FOUND: no row or null. E_INVALID,
 * E_CONFLICT: refused by the statement, the fault has PostgreSQL's words. E_LOST: of a job, the
 * lease was lost. E_UNAVAILABLE: away, or lost in between (what was asked may have happened). */
MUST int store_link_query(struct store_link *, const char *name, const char *const *params,
			  size_t n, struct buf *out, struct fault *f);
/* LISTEN, now and after every reconnection (E_UNAVAILABLE: from the next connection on).
 * store_link_wait sleeps until a notice comes on any channel: 0, also when it had to reconnect,
 * because a notice may have been missed; or until the time is over or a signal was handled
 * (E_TIMEOUT). E_UNAVAILABLE: at once; it is the caller who waits before he tries again. */
MUST int store_link_listen(struct store_link *, const char *channel, struct fault *f);
MUST int store_link_wait(struct store_link *, int64_t timeout_ms, struct fault *f);
/* Did the last E_UNAVAILABLE mean that migrations run? */
bool store_link_migrating(const struct store_link *);

/* For command line verbs: one query, blocking. `out` receives the JSON. */
MUST int store_query_once(const char *url, const char *name, const char *const *params, size_t n,
			  struct buf *out, struct fault *f);

#endif
