/* Accepts on all listening sockets and deals each connection to the server with the fewest.
 *
 * Failure modes: out of descriptors (a spare one is given up to accept and close the waiting
 * connection: otherwise the loop would spin on it); every server full (told so, and closed). */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/internal.h"

enum { BACKLOG = 4096, ACCEPTS_PER_TURN = 64 };

struct listener {
	uv_poll_t poll;
	struct acceptor *acceptor;
	int fd;
};

struct acceptor {
	const struct acceptor_kind *kind;
	struct shards *shards;
	void **servers; /* one per shard */
	size_t servers_n;
	size_t next; /* where the search starts, so that equals take turns */
	int spare_fd;
	size_t open; /* listeners whose handle is not closed yet */
	bool stopped;
	bool freed;
	size_t n;
	struct listener listeners[];
};

struct dealt {
	struct mail mail;
	const struct acceptor_kind *kind;
	void *server;
	int fd;
};

static void on_dealt(struct mail *m, struct shard *here)
{
	struct dealt *d = (struct dealt *)((char *)m - offsetof(struct dealt, mail));

	(void)here;
	d->kind->adopt(d->server, d->fd);
	free(d);
}

static size_t least_loaded(struct acceptor *a)
{
	size_t from = a->next++, best = from % a->servers_n;

	for (size_t i = 1; i < a->servers_n; i++) {
		size_t at = (from + i) % a->servers_n;
		if (a->kind->connections(a->servers[at]) < a->kind->connections(a->servers[best]))
			best = at;
	}
	return best;
}

static void refuse(int fd, struct span why)
{
	(void)!send(fd, why.p, why.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void deal(struct acceptor *a, int fd)
{
	size_t to = least_loaded(a);

	if (!a->kind->reserve(a->servers[to])) {
		refuse(fd, a->kind->refusal);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	struct dealt *d = calloc(1, sizeof(*d));
	CHECK(d);
	*d = (struct dealt){
		.mail = { .run = on_dealt }, .kind = a->kind, .server = a->servers[to], .fd = fd
	};
	/* Their number is bounded by the places reserved above. */
	shard_post_sure(shards_at(a->shards, (unsigned)to), &d->mail);
}

/* False when nobody was waiting (accept4 wants a descriptor before it looks). */
static bool shed_one(struct acceptor *a, int listen_fd)
{
	close(a->spare_fd);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		log_often(LOG_WARN, "acceptor", SPAN(""),
			  "out of file descriptors: a connection was refused");
	return fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			deal(l->acceptor, fd);
		else if (errno == EMFILE || errno == ENFILE)
			status = shed_one(l->acceptor, l->fd) ? 0 : -1;
		else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void free_when_closed(struct acceptor *a)
{
	if (!a->freed || a->open)
		return;
	close(a->spare_fd);
	free(a->servers);
	free(a);
}

static void on_closed(uv_handle_t *h)
{
	struct acceptor *a = ((struct listener *)h->data)->acceptor;

	a->open--;
	free_when_closed(a);
}

static int start(struct acceptor *a, struct listener *l, uv_loop_t *loop, int fd, struct fault *f)
{
	l->acceptor = a;
	l->fd = fd;
	l->poll.data = l;
	int rc = uv_poll_init(loop, &l->poll, fd); /* makes it non-blocking */
	if (rc)
		return fault(f, E_IO, "watching listening socket %d: %s", fd, uv_strerror(rc));
	a->open++;
	a->n++;
	rc = uv_poll_start(&l->poll, UV_READABLE, on_readable);
	return rc ? fault(f, E_IO, "watching listening socket %d: %s", fd, uv_strerror(rc)) : 0;
}

int acceptor_new(struct acceptor **out, uv_loop_t *loop, const int *listen_fds, size_t n,
		 const struct acceptor_kind *kind, void *const *servers, struct shards *shards,
		 struct fault *f)
{
	struct acceptor *a = calloc(1, sizeof(*a) + n * sizeof(a->listeners[0]));
	int rc = 0;

	CHECK(a);
	a->kind = kind;
	a->shards = shards;
	a->servers_n = shards_count(shards);
	a->servers = calloc(a->servers_n, sizeof(void *));
	CHECK(a->servers);
	memcpy(a->servers, servers, a->servers_n * sizeof(void *));
	a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = start(a, &a->listeners[i], loop, listen_fds[i], f);
	if (rc)
		acceptor_free(a);
	else
		*out = a;
	return rc;
}

void acceptor_stop(struct acceptor *a)
{
	if (a->stopped)
		return;
	a->stopped = true;
	for (size_t i = 0; i < a->n; i++)
		uv_close((uv_handle_t *)&a->listeners[i].poll, on_closed);
}

void acceptor_free(struct acceptor *a)
{
	if (!a)
		return;
	acceptor_stop(a);
	a->freed = true;
	free_when_closed(a);
}

/* --- to HTTP servers --- */

static unsigned http_connections(const void *server)
{
	return http_server_connections(server);
}

static bool http_reserve(void *server)
{
	return http_server_reserve(server);
}

static void http_adopt(void *server, int fd)
{
	http_server_adopt_reserved(server, fd);
}

static const char http_refusal[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n\r\n";

const struct acceptor_kind acceptor_http = {
	.connections = http_connections,
	.reserve = http_reserve,
	.adopt = http_adopt,
	.refusal = { http_refusal, sizeof(http_refusal) - 1 },
};

/* --- listening --- */

static int bind_one(const struct addrinfo *ai, int *fd)
{
	*fd = socket(ai->ai_family, SOCK_STREAM, 0); /* inherited by children on purpose */
	if (*fd < 0)
		return -1;
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(*fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0)
		return 0;
	int why = errno;
	close(*fd);
	*fd = -1;
	errno = why;
	return -1;
}

static unsigned bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { 0 };
	socklen_t n = sizeof(at);

	if (getsockname(fd, &at.any, &n))
		return 0;
	return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int net_listen(const char *host, unsigned *port, int *fd, struct fault *f)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	char service[16];

	if (*port > 65535)
		return fault(f, E_INVALID, "port %u", *port);
	snprintf(service, sizeof(service), "%u", *port);
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc)
		return fault(f, E_INVALID, "listen address %s: %s", host, gai_strerror(rc));
	rc = -1;
	for (struct addrinfo *ai = list; ai && rc; ai = ai->ai_next)
		rc = bind_one(ai, fd);
	int why = errno;
	freeaddrinfo(list);
	if (rc)
		return fault(f, E_IO, "cannot listen on %s:%u: %s", host, *port, strerror(why));
	*port = bound_port(*fd);
	return 0;
}
