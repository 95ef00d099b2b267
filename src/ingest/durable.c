/* Waiting for the disk.
 *
 * Whoever needs a record to be durable stands in the lane's queue, in the order of the numbers. The
 * writer thread tells each lane that has waiters once, by one mail; the lane then lets go everybody
 * up to the durable number. */
#include <unistd.h>

#include "base/container.h"
#include "ingest/lane.h"

enum { STOP_WAIT_MS = 5000 };

static void run_durable(struct lane *l)
{
	uint64_t durable = journal_durable(l->in->journal);

	while (l->first && l->first->number <= durable) {
		struct waiter *w = l->first;

		l->first = w->next;
		if (!l->first)
			l->last = &l->first;
		w->next = NULL;
		w->durable(w, l);
	}
	atomic_store(&l->waiting, l->first != NULL);
}

void lane_durable_mail(struct mail *m, struct shard *here)
{
	struct lane *l = CONTAINER_OF(m, struct lane, durable_mail);

	(void)here;
	atomic_store(&l->durable_sent, false);
	run_durable(l);
	/* The writer may have looked between the last test and `waiting`. */
	if (l->first && l->first->number <= journal_durable(l->in->journal))
		run_durable(l);
}

static void ring(struct lane *l)
{
	if (!atomic_exchange(&l->durable_sent, true))
		shard_post_sure(l->shard, &l->durable_mail);
}

int lane_append(struct lane *l, struct record *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool later = r[i].kind == RECORD_HEARD || r[i].kind == RECORD_TICK;

		l->appended |= !later;
		l->appended_heard |= later;
	}
	return journal_append_all(l->in->journal, r, n);
}

static void commit(struct lane *l)
{
	journal_commit(l->in->journal);
	l->appended = l->appended_heard = false;
	uv_timer_stop(&l->heard_timer);
}

void lane_on_heard(uv_timer_t *t)
{
	commit(t->data);
}

void lane_turn_end(uv_prepare_t *p)
{
	struct lane *l = p->data;

	if (l->appended)
		commit(l);
	else if (l->appended_heard && !uv_is_active((uv_handle_t *)&l->heard_timer))
		uv_timer_start(&l->heard_timer, lane_on_heard, HEARD_COMMIT_MS, 0);
}

static uint64_t last_number(const struct lane *l)
{
	return (CONTAINER_OF(l->last, struct waiter, next))->number;
}

void lane_wait(struct lane *l, struct waiter *w, uint64_t number)
{
	struct waiter **at = l->last;

	/* Nearly always the newest; a question that waited for something else may come late. */
	if (l->first && last_number(l) > number)
		for (at = &l->first; (*at)->number <= number;)
			at = &(*at)->next;
	w->number = number;
	w->next = *at;
	*at = w;
	if (!w->next)
		l->last = &w->next;
	atomic_store(&l->waiting, true);
	if (journal_durable(l->in->journal) >= l->first->number)
		ring(l);
}

void lane_on_durable(void *user, uint64_t number)
{
	struct ingest *in = user;

	(void)number;
	pthread_mutex_lock(&in->ringing);
	for (unsigned i = 0; i < in->lanes_n; i++) {
		struct lane *l = in->lanes[i];

		if (l && !l->stopped && atomic_load(&l->waiting))
			ring(l);
	}
	pthread_mutex_unlock(&in->ringing);
}

void lane_finish_waiters(struct lane *l)
{
	journal_commit(l->in->journal);
	for (int i = 0; l->first && i < STOP_WAIT_MS && !journal_failed(l->in->journal); i++) {
		run_durable(l);
		if (l->first)
			usleep(1000);
	}
}

struct waiter *lane_take_waiters(struct lane *l, void (*durable)(struct waiter *, struct lane *))
{
	struct waiter *taken = NULL, **end = &taken, **at = &l->first;

	while (*at) {
		struct waiter *w = *at;

		if (w->durable != durable) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = NULL;
		*end = w;
		end = &w->next;
	}
	l->last = at;
	return taken;
}
