/* The budgets of this node, one for each user and app, however many sources are theirs and
 * whichever shards these live on. Two JWTs of one user are two purses: whose a token is the
 * platform tells only after it was asked for, which counts already.
 *
 * Failure modes: two shards want the last of it at once - one gets it, the other waits. */
#include <stdlib.h>

#include "base/crypto.h"
#include "connect/internal.h"

static void make_key(const struct login *s, uint8_t key[PURSE_KEY_BYTES])
{
	const struct dir_connect *c = &s->source->connect;
	const struct span parts[] = { s->base, s->platform, c->client_id, c->jwt.value };
	struct buf all AUTO_BUF = { 0 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_printf(&all, "%zu:", parts[i].n);
		buf_add(&all, parts[i]);
	}
	crypto_sha256(buf_span(&all), key);
}

static struct purse *find(struct connect *c, const uint8_t key[PURSE_KEY_BYTES])
{
	struct purse *p;

	DL_FOREACH(c->purses, p)
	{
		if (memcmp(p->key, key, PURSE_KEY_BYTES) == 0)
			return p;
	}
	return NULL;
}

static struct purse *add(struct connect *c, const uint8_t key[PURSE_KEY_BYTES])
{
	struct purse *p = calloc(1, sizeof(*p));

	CHECK(p);
	memcpy(p->key, key, PURSE_KEY_BYTES);
	pthread_mutex_init(&p->lock, NULL);
	budget_init(&p->budget);
	DL_APPEND(c->purses, p);
	return p;
}

struct purse *purse_of(const struct login *s)
{
	struct connect *c = s->connect;
	uint8_t key[PURSE_KEY_BYTES];

	make_key(s, key);
	pthread_mutex_lock(&c->lock);
	struct purse *p = find(c, key);
	p = p ? p : add(c, key);
	p->refs++;
	pthread_mutex_unlock(&c->lock);
	return p;
}

struct purse *purse_ref(struct connect *c, struct purse *p)
{
	pthread_mutex_lock(&c->lock);
	p->refs++;
	pthread_mutex_unlock(&c->lock);
	return p;
}

void purse_unref(struct connect *c, struct purse *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&c->lock);
	bool last = --p->refs == 0;
	if (last)
		DL_DELETE(c->purses, p);
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int64_t purse_when(struct purse *p, enum rate_group group, bool urgent, int64_t now_us)
{
	pthread_mutex_lock(&p->lock);
	int64_t when_us = budget_when(&p->budget, group, urgent, now_us);
	pthread_mutex_unlock(&p->lock);
	return when_us;
}

bool purse_spend(struct purse *p, enum rate_group group, bool urgent, int64_t now_us)
{
	pthread_mutex_lock(&p->lock);
	bool may = budget_when(&p->budget, group, urgent, now_us) <= now_us;
	if (may)
		budget_sent(&p->budget, group);
	pthread_mutex_unlock(&p->lock);
	return may;
}

void purse_unsent(struct purse *p, enum rate_group group)
{
	pthread_mutex_lock(&p->lock);
	budget_unsent(&p->budget, group);
	pthread_mutex_unlock(&p->lock);
}

void purse_answered(struct purse *p, enum rate_group group, const struct rate_answer *answer,
		    int64_t now_us)
{
	pthread_mutex_lock(&p->lock);
	budget_answered(&p->budget, group, answer, now_us);
	pthread_mutex_unlock(&p->lock);
}
