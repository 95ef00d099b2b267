/* What RingCentral answers after a loss: pages of presence, then each live call as the platform
 * knows it (telephony sessions). The code of the resync as it is, the session around it played
 * here.
 *
 * The first byte: bit 0, there is not always room for a message. Each line is an answer, in the
 * order they are asked for: three digits are a status without a body. When there are no more, calls
 * are gone and pages denied. Whatever comes, the resync ends, asks for what may stand in a URL, and
 * tells the calls JSON that the dialect takes for the call it was asked about, or refuses with a
 * reason. */
#include <ctype.h>
#include <stdlib.h>

#include "connect/internal.h"
#include "dialect/ringcentral.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS_MAX = 20000 };
#define TOLD_US INT64_C(1700000000000000)

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct {
	struct span rest;
	bool tight;
	unsigned told;
	int64_t now_us;
	struct ask *waiting;
} world;

/* --- the session --- */

int64_t login_now(const struct login *s)
{
	(void)s;
	return world.now_us;
}

void login_seed(struct backoff *b, int64_t least_ms, int64_t most_ms)
{
	*b = (struct backoff){ .least_ms = least_ms, .most_ms = most_ms, .random = 1 };
}

void login_hold(struct login *s)
{
	s->held++;
}

void login_release(struct login *s)
{
	must(s->held-- > 0);
}

struct ask *ask_new(struct login *s, enum http_method method, const char *path,
		    enum rate_group group, ask_done_fn *done)
{
	struct ask *a = calloc(1, sizeof(*a));
	must(a && method == HTTP_GET);
	a->login = s;
	a->group = group;
	a->done = done;
	buf_addz(&a->url, path);
	return a;
}

void ask_post(struct ask *a)
{
	for (size_t i = 0; i < a->url.n; i++)
		must(isalnum((unsigned char)a->url.p[i]) || strchr("/%-._~?&=", a->url.p[i]));
	DL_APPEND(world.waiting, a);
}

bool response_good(const struct client_response *r)
{
	return r->status >= 200 && r->status < 300;
}

void trouble_of(const struct client_response *r, const char *what, struct trouble *out)
{
	bool denied = r->status == 401 || r->status == 403 || r->status == 404;
	*out = (struct trouble){ .kind = denied ? TROUBLE_DENIED : TROUBLE_AGAIN };
	snprintf(out->text, sizeof(out->text), "%s: %d", what, r->status);
}

bool tell_has_room(const struct tell *t)
{
	(void)t;
	return true;
}

bool tell_waits(const struct tell *t, int64_t us)
{
	(void)t, (void)us;
	return false;
}

int tell_add(struct login *s, struct span json, struct span uuid, struct span call)
{
	struct arena a = { 0 };
	struct envelope e;
	struct inputs inputs = { 0 };
	struct fault f = { 0 };
	(void)uuid;
	if (world.tight && ++world.told % 3 == 0)
		return E_FULL;
	must(json_check(json, NULL) == 0 && call.n);
	if (s->dialect->classify(json, &a, &e, &f))
		must(f.text[0]);
	else if (s->dialect->read(json, &a, &inputs, &f))
		must(f.text[0]);
	arena_fini(&a);
	return 0;
}

static void on_live_asked(void *user, struct shard *here, struct connect_live *l)
{
	(void)user, (void)here;
	buf_addz(&l->ids, "s-1\nours\n");
	l->done(l);
}

/* --- the platform --- */

static int status_of(struct span line)
{
	bool digits = line.n == 3 && isdigit((unsigned char)line.p[0]) &&
		      isdigit((unsigned char)line.p[1]) && isdigit((unsigned char)line.p[2]);
	return digits ? atoi((char[4]){ line.p[0], line.p[1], line.p[2], 0 }) : 0;
}

/* In memory of its exact size, so that a read behind the end is noticed. */
static void answer(struct ask *a)
{
	bool over = !world.rest.n;
	struct span line = span_line(&world.rest);
	int status = over ? 404 : status_of(line);
	size_t n = status ? 0 : line.n;
	char *copy = malloc(n ? n : 1);
	memcpy(copy, n ? line.p : "", n);
	const struct client_response r = { .end = CLIENT_ANSWERED,
					   .status = status ? status : 200,
					   .body = { copy, n } };
	DL_DELETE(world.waiting, a);
	a->done(a, &r, TOLD_US);
	buf_free(&a->url);
	buf_free(&a->about);
	free(a);
	free(copy);
}

/* --- one resync --- */

static void run(struct login *s)
{
	unsigned steps = 0;
	resync_init(s);
	s->resync.due = true;
	do {
		must(++steps < STEPS_MAX);
		world.now_us += 70 * SECOND_US;
		resync_step(s, world.now_us);
		if (world.waiting)
			answer(world.waiting);
	} while (s->resync.step != RESYNC_IDLE || world.waiting);
	must(!s->resync.calls && !s->held);
	resync_free(&s->resync);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct connect connect = { .config.calls.live = on_live_asked };
	struct connect_part part = { 0 };
	struct login s = { .connect = &connect,
			   .part = &part,
			   .dialect = &ringcentral_dialect,
			   .standing = { .state = CONNECT_LIVE } };
	if (!n)
		return 0;
	world.rest = (struct span){ (const char *)data + 1, n - 1 };
	world.tight = data[0] & 1;
	world.told = 0;
	world.now_us = SECOND_US;
	run(&s);
	return 0;
}
