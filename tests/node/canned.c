#include "tests/node/canned.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a request --- */

static bool more(int fd, struct buf *b)
{
	enum { PIECE = 4096 };

	buf_reserve(b, PIECE);
	ssize_t n = recv(fd, b->p + b->n, PIECE, 0);
	b->n += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static size_t whole(struct buf *b)
{
	const char *end = strstr(buf_z(b), "\r\n\r\n");
	const char *length = strcasestr(buf_z(b), "\r\ncontent-length:");

	if (!end)
		return SIZE_MAX;
	return (size_t)(end - b->p) + 4 +
	       (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static bool begins(const struct buf *b, const char *request)
{
	return span_starts(buf_span(b), span_of(request));
}

/* --- an answer --- */

static bool take_rule(struct canned *c, const struct buf *request, struct canned_rule *out)
{
	for (unsigned i = 0; i < c->rules_n; i++) {
		struct canned_rule *r = &c->rules[i];

		if (!r->times || !begins(request, r->request))
			continue;
		r->times--;
		*out = *r;
		return true;
	}
	*out = (struct canned_rule){ .status = 404, .body = "{}" };
	return false;
}

static void put_answer(const struct canned_rule *r, struct buf *b)
{
	const char *body = r->body ? r->body : "";

	buf_printf(b, "HTTP/1.1 %d As Told\r\nconnection: close\r\ncontent-length: %zu\r\n%s\r\n%s",
		   r->status, strlen(body) + r->more_bytes + r->lacking_bytes,
		   r->headers ? r->headers : "", body);
	for (size_t i = 0; i < r->more_bytes; i++)
		buf_addc(b, 'x');
}

static void answer(int fd, const struct canned_rule *r)
{
	struct buf b AUTO_BUF = { 0 };
	size_t at = 0;
	ssize_t n = 1;

	if (r->status)
		put_answer(r, &b);
	while (at < b.n && (n = send(fd, b.p + at, b.n - at, MSG_NOSIGNAL)) > 0)
		at += (size_t)n;
	if (r->status)
		return;
	while (more(fd, &b))
		;
}

static void note(struct canned *c, const struct buf *request, struct canned_rule *rule)
{
	pthread_mutex_lock(&c->lock);
	CHECK(c->seen_n < CANNED_SEEN);
	struct canned_seen *s = &c->seen[c->seen_n];
	s->at_us = c->now_us();
	buf_clear(&s->all);
	buf_add(&s->all, buf_span(request));
	take_rule(c, request, rule);
	c->seen_n++;
	pthread_mutex_unlock(&c->lock);
}

static void serve(struct canned *c, int fd)
{
	struct buf request AUTO_BUF = { 0 };
	struct canned_rule rule;

	while (request.n < whole(&request))
		if (!more(fd, &request))
			return;
	note(c, &request, &rule);
	answer(fd, &rule);
}

static void *run(void *user)
{
	struct canned *c = user;
	int fd;

	while ((fd = accept(c->fd, NULL, NULL)) >= 0) {
		serve(c, fd);
		close(fd);
	}
	return NULL;
}

/* --- life --- */

void canned_start(struct canned *c, int64_t (*now_us)(void))
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);

	*c = (struct canned){ .now_us = now_us, .fd = socket(AF_INET, SOCK_STREAM, 0) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(0, bind(c->fd, (struct sockaddr *)&at, sizeof(at)));
	assert_int_equal(0, listen(c->fd, 16));
	assert_int_equal(0, getsockname(c->fd, (struct sockaddr *)&at, &n));
	c->port = ntohs(at.sin_port);
	pthread_mutex_init(&c->lock, NULL);
	assert_int_equal(0, pthread_create(&c->thread, NULL, run, c));
}

void canned_stop(struct canned *c)
{
	shutdown(c->fd, SHUT_RDWR);
	pthread_join(c->thread, NULL);
	close(c->fd);
	for (unsigned i = 0; i < CANNED_SEEN; i++)
		buf_free(&c->seen[i].all);
	pthread_mutex_destroy(&c->lock);
}

void canned_rule(struct canned *c, struct canned_rule rule)
{
	pthread_mutex_lock(&c->lock);
	CHECK(c->rules_n < CANNED_RULES);
	c->rules[c->rules_n++] = rule;
	pthread_mutex_unlock(&c->lock);
}

void canned_forget(struct canned *c)
{
	pthread_mutex_lock(&c->lock);
	c->rules_n = 0;
	c->seen_n = 0;
	pthread_mutex_unlock(&c->lock);
}

static struct canned_seen *nth(struct canned *c, const char *request, unsigned n)
{
	struct canned_seen *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->seen_n && !found; i++)
		if (begins(&c->seen[i].all, request) && n-- == 0)
			found = &c->seen[i];
	pthread_mutex_unlock(&c->lock);
	return found;
}

unsigned canned_count(struct canned *c, const char *request)
{
	unsigned n = 0;

	while (nth(c, request, n))
		n++;
	return n;
}

const char *canned_text(struct canned *c, const char *request, unsigned n)
{
	struct canned_seen *s = nth(c, request, n);

	if (!s)
		fail_msg("%s: not asked for more than %u times", request, n);
	return buf_z(&s->all);
}

int64_t canned_at_us(struct canned *c, const char *request, unsigned n)
{
	struct canned_seen *s = nth(c, request, n);

	if (!s)
		fail_msg("%s: not asked for more than %u times", request, n);
	return s->at_us;
}
