/* Happy path: connect at the first question, LISTEN to what was asked for, then question after
 * question on the same connection.
 *
 * Failure modes.
 *  - Server away: E_UNAVAILABLE at once or after the connection's deadline; the next call tries
 * again. Waiting in between is the caller's, who knows what else there is to do.
 *  - Connection gone stale while idle: seen before anything is sent, and renewed.
 *  - Connection lost during a statement: one that only reads is asked once more; of one that
 * changes something nobody knows whether it did, so its caller is told.
 *  - Notices missed while it was away: waiting ends at once after a reconnection. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "callmend/store.h"
#include "store/schema.h"
#include "store/sqlstate.h"

enum { CHANNELS_MAX = 4 };

struct store_link {
	char *url;
	struct pg pg;
	const char *channels[CHANNELS_MAX];
	size_t channels_n;
	bool missed; /* notices may have come while there was no connection */
};

int store_link_new(struct store_link **out, const char *url, struct fault *f)
{
	struct store_link *link = calloc(1, sizeof(*link));

	if (!link)
		return fault(f, E_NOMEM, "link to PostgreSQL");
	link->url = strdup(url);
	CHECK(link->url);
	*out = link;
	return 0;
}

void store_link_free(struct store_link *link)
{
	if (!link)
		return;
	pg_close(&link->pg);
	free(link->url);
	free(link);
}

/* --- connecting --- */

static int listen_to(struct store_link *link, const char *channel, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	PGresult *result = NULL;

	buf_printf(&text, "listen %s", channel);
	TRY(pg_exec(&link->pg, buf_z(&text), &result, f));
	PQclear(result);
	return 0;
}

static int listen_to_all(struct store_link *link, struct fault *f)
{
	for (size_t i = 0; i < link->channels_n; i++)
		TRY(listen_to(link, link->channels[i], f));
	return 0;
}

/* Listening is part of being connected: half of it would be a connection that hears nothing. */
static int connect_link(struct store_link *link, struct fault *f)
{
	TRY(schema_open(&link->pg, link->url, f));
	int rc = listen_to_all(link, f);
	if (rc)
		pg_close(&link->pg);
	link->missed = true;
	return rc;
}

static int ensure_connected(struct store_link *link, struct fault *f)
{
	return pg_alive(&link->pg) ? 0 : connect_link(link, f);
}

bool store_link_migrating(const struct store_link *link)
{
	return strcmp(link->pg.state, SQLSTATE_MIGRATING) == 0;
}

/* --- asking --- */

static int ask_once(struct store_link *link, const struct sql_file *query,
		    const char *const *params, size_t n, struct buf *out, struct fault *f)
{
	TRY(ensure_connected(link, f));
	buf_clear(out);
	return pg_ask(&link->pg, query, params, n, out, f);
}

/* Lost at once, by a connection gone stale, and not after a long silence. */
static bool was_stale(const struct store_link *link, int64_t since_us)
{
	return !link->pg.conn && clock_monotonic_us() - since_us < PG_ANSWER_MS * MS_US / 2;
}

int store_link_query(struct store_link *link, const char *name, const char *const *params, size_t n,
		     struct buf *out, struct fault *f)
{
	const struct sql_file *query = sql_find(name);
	bool connected = pg_alive(&link->pg);
	int64_t since_us = clock_monotonic_us();

	CHECK(query && n <= PG_MAX_PARAMS);
	buf_clear(out);
	int rc = ask_once(link, query, params, n, out, f);
	if (rc == E_UNAVAILABLE && connected && sql_is_read(query) && was_stale(link, since_us))
		rc = ask_once(link, query, params, n, out, f);
	return rc;
}

/* --- listening --- */

int store_link_listen(struct store_link *link, const char *channel, struct fault *f)
{
	CHECK(link->channels_n < CHANNELS_MAX);
	link->channels[link->channels_n++] = channel;
	/* A new connection listens to all channels, this one included. */
	if (!pg_alive(&link->pg))
		return connect_link(link, f);
	return listen_to(link, channel, f);
}

static bool take_notices(struct store_link *link)
{
	bool any = link->missed;

	link->missed = false;
	for (PGnotify *n; (n = PQnotifies(link->pg.conn)); any = true)
		PQfreemem(n);
	return any;
}

static int lost(struct store_link *link, struct fault *f)
{
	pg_close(&link->pg);
	return fault(f, E_UNAVAILABLE, "PostgreSQL: the connection was lost");
}

int store_link_wait(struct store_link *link, int64_t timeout_ms, struct fault *f)
{
	int64_t until_us = clock_monotonic_us() + timeout_ms * MS_US;

	TRY(ensure_connected(link, f));
	while (!take_notices(link)) {
		int64_t left_us = until_us - clock_monotonic_us();
		struct pollfd p = { .fd = PQsocket(link->pg.conn), .events = POLLIN };
		int ready = left_us > 0 ? poll(&p, 1, (int)(left_us / MS_US) + 1) : 0;

		if (ready <= 0)
			return fault(f, E_TIMEOUT, "no notice");
		if (!PQconsumeInput(link->pg.conn))
			return lost(link, f);
	}
	return 0;
}
