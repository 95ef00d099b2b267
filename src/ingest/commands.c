/* Commands from the API to the owner of a call, and their answer back.
 *
 * The caller waits for the first durable state after `requested` (the provider's answer), or
 * wait_ms. The call may be named by our id, which says who owns it, or by the provider's: then each
 * lane is asked in turn for a call of that name. Commands are taken as long as the lane runs, also
 * while the node drains: that is when somebody wants to end a call.
 *
 * A text to somebody is a command whose call is known by the two numbers: when it is not there, or
 * is over, it begins (BIND, and what the dialect says begins it) with the command. Its key counts
 * for all of the source, so each lane is asked first whether another call has it, and those that
 * are under way stand in a list. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/metrics.h"
#include "ingest/tasks.h"

struct command_wait {
	struct mail mail;
	struct waiter waiter;
	struct command_wait *next; /* in the call's list */
	struct ingest *in;
	struct lane *owner;
	struct call_entry *call; /* while in its list */
	struct uuid taker;	 /* its id, also after it has gone */
	struct shard *home;
	struct uuid org;
	struct uuid ours; /* nil: the text is no id of ours */
	struct uuid name;
	unsigned asked; /* lanes that were asked for the name, or the key */
	bool searched;	/* by key: no other call has it */
	struct buf command;
	struct uuid source;			    /* of a text to somebody; nil: of none */
	struct buf beginning;			    /* likewise: the message that begins its call */
	struct command_wait *text_prev, *text_next; /* likewise: ingest.texts, with a key */
	bool listed;
	struct uuid id; /* the command that answers: the asked one, or the one with its key */
	bool named;	/* id is known */
	bool settled;	/* has a state beyond requested, or time is over: answer when durable */
	uv_timer_t timer;
	bool timer_open;
	int64_t wait_ms;
	int code;
	struct buf json;
	struct fault fault;
	void (*done)(void *user, const struct live_command_answer *);
	void *user;
};

static void leave_texts(struct command_wait *w)
{
	pthread_mutex_lock(&w->in->texts_lock);
	if (w->listed)
		DL_DELETE2(w->in->texts, w, text_prev, text_next);
	w->listed = false;
	pthread_mutex_unlock(&w->in->texts_lock);
}

static void wait_free(struct command_wait *w)
{
	buf_free(&w->command);
	buf_free(&w->beginning);
	buf_free(&w->json);
	free(w);
}

static void run_done(struct mail *m, struct shard *here)
{
	struct command_wait *w = (struct command_wait *)m;
	struct live_command_answer a = { .code = w->code,
					 .json = buf_span(&w->json),
					 .detail = span_of(w->fault.text),
					 .call = w->taker };

	(void)here;
	leave_texts(w); /* whoever has the answer may ask again at once */
	w->done(w->user, &a);
	wait_free(w);
}

static void finish(struct command_wait *w)
{
	w->mail.run = run_done;
	shard_post_sure(w->home, &w->mail);
}

static void on_timer_closed(uv_handle_t *h)
{
	finish(h->data);
}

static void unlist(struct command_wait *w)
{
	if (!w->call)
		return;
	for (struct command_wait **p = &w->call->waits; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	w->call = NULL;
}

/* Last step on the owner's shard. */
static void leave(struct command_wait *w)
{
	unlist(w);
	if (w->timer_open) {
		w->timer_open = false;
		uv_close((uv_handle_t *)&w->timer, on_timer_closed);
	} else {
		finish(w);
	}
}

static void on_settled_durable(struct waiter *wt, struct lane *l)
{
	(void)l;
	leave(CONTAINER_OF(wt, struct command_wait, waiter));
}

static void settle(struct lane *l, struct command_wait *w, uint64_t number)
{
	if (w->settled)
		return;
	w->settled = true;
	w->waiter.durable = on_settled_durable;
	lane_wait(l, &w->waiter, number);
}

static void on_wait_over(uv_timer_t *t)
{
	struct command_wait *w = t->data;

	settle(w->owner, w, journal_last(ingest_journal(w->in)));
}

static void note_state(struct lane *l, struct command_wait *w, enum command_state state,
		       struct span json)
{
	buf_clear(&w->json);
	buf_add(&w->json, json);
	if (state != COMMAND_STATE_REQUESTED)
		settle(l, w, l->applying_number);
}

/* Timers fire before the record that carries our command: what they change is another's. */
static bool is_ours(const struct command_wait *w, const struct uuid *id, struct span changed)
{
	struct json asked = json_of(buf_span(&w->command));
	struct arena a = { 0 };
	char own[UUID_TEXT + 1];

	uuid_format(id, own);
	struct span key = json_text(json_get(asked, "key"), &a);
	bool ours = json_is_text(json_get(asked, "id"), own) ||
		    (key.n && span_eq(key, json_text(json_get(json_of(changed), "key"), &a)));
	arena_fini(&a);
	return ours;
}

/* What one record makes of it is one answer: accepted, and its effect seen. */
static bool is_told(const struct lane *l, const struct command_wait *w)
{
	return !w->settled || w->waiter.number == l->applying_number;
}

void command_state(struct lane *l, const struct uuid *id, enum command_state state,
		   struct span json)
{
	if (command_state_final(state))
		metric_add_label(METRIC_COMMANDS, command_state_name(state), 1);
	if (l->applying_wait && !l->applying_wait->named && is_ours(l->applying_wait, id, json)) {
		l->applying_wait->named = true;
		l->applying_wait->id = *id;
	}
	for (struct command_wait *w = l->applying->waits, *next; w; w = next) {
		next = w->next;
		if (w->named && is_told(l, w) && uuid_eq(&w->id, id))
			note_state(l, w, state, json);
	}
}

void command_waits_free(struct lane *l, struct call_entry *c)
{
	while (c->waits) {
		struct command_wait *w = c->waits;

		c->waits = w->next;
		w->call = NULL;
		settle(l, w, journal_last(ingest_journal(w->in)));
	}
}

static void refuse(struct command_wait *w, int code, const char *why)
{
	w->code = code;
	fault(&w->fault, code, "%s", why);
	leave(w);
}

static void take_command(struct lane *l, struct command_wait *w, struct call_entry *c)
{
	struct fault f = { 0 };
	uint64_t number = 0;
	int rc;

	w->call = c;
	w->taker = c->id;
	w->next = c->waits;
	c->waits = w;
	uv_timer_init(shard_loop(l->shard), &w->timer);
	w->timer.data = w;
	w->timer_open = true;
	uv_timer_start(&w->timer, on_wait_over, (uint64_t)w->wait_ms, 0);
	l->applying_wait = w;
	rc = lane_input(l, c, RECORD_COMMAND, buf_span(&w->command), &number, &f);
	l->applying_wait = NULL;
	if (rc && !w->settled)
		refuse(w, number ? rc : rc == E_FULL ? E_FULL : E_UNAVAILABLE, f.text);
}

static void run_at_lane(struct mail *m, struct shard *here);

static void to_lane(struct command_wait *w, struct lane *l)
{
	w->owner = l;
	w->mail.run = run_at_lane;
	shard_post_sure(l->shard, &w->mail);
}

static bool is_over(const struct command_wait *w, const struct call_entry *c)
{
	return !c->session || session_expired(c->session, ingest_now(w->in));
}

static const char USED_KEY[] = "this Idempotency-Key was used for another text";

static bool is_own(const struct command_wait *w, const struct call_entry *c)
{
	return uuid_eq(&session_settings(c->session)->org, &w->org);
}

/* A live call rather than one that has ended. */
static struct call_entry *find_named(const struct command_wait *w, struct lane *l)
{
	struct call_entry *found = NULL;

	for (struct call_name *n = lane_named(l, &w->name); n; n = n->namesake) {
		struct call_entry *c = n->call;

		if (!is_over(w, c) && (!found || session_ended(found->session)))
			found = c;
	}
	return found;
}

static void next_lane(struct command_wait *w)
{
	if (w->asked < w->in->lanes_n)
		to_lane(w, w->in->lanes[w->asked++]);
	else
		refuse(w, E_NOT_FOUND, "no call of this id is live");
}

static void try_ours(struct lane *l, struct command_wait *w)
{
	struct call_entry *c = lane_call(l, &w->ours);

	w->ours = (struct uuid){ { 0 } };
	if (!c || is_over(w, c))
		next_lane(w);
	else if (is_own(w, c))
		take_command(l, w, c);
	else
		refuse(w, E_DENIED, "the call belongs to another organisation");
}

/* --- a text to somebody --- */

static bool is_of_source(const struct command_wait *w, const struct call_entry *c)
{
	const struct settings *s = c->session ? session_settings(c->session) : NULL;

	return s && uuid_eq(&s->source, &w->source);
}

/* The command that this call has with this key. */
static bool has_key(const struct call_entry *c, struct span key, struct buf *out)
{
	return key.n && c->session && session_command(c->session, NULL, key, out);
}

/* Of another call of the source. */
static bool is_used_elsewhere(const struct command_wait *w, struct lane *l, struct span key)
{
	struct buf json AUTO_BUF = { 0 };

	for (struct call_entry *c = l->calls; c; c = c->hh.next)
		if (!uuid_eq(&c->id, &w->ours) && is_of_source(w, c) && has_key(c, key, &json))
			return true;
	return false;
}

static bool is_same_text(const struct command_wait *w, struct span known)
{
	struct json asked = json_of(buf_span(&w->command)), held = json_of(known);
	struct arena a = { 0 };
	bool same = span_eq(json_text(json_get(asked, "text"), &a),
			    json_text(json_get(held, "text"), &a)) &&
		    json_is_text(json_get(held, "verb"), command_verb_name(COMMAND_SEND_TEXT));

	arena_fini(&a);
	return same;
}

/* `c` NULL: it is new, or long over. NULL: it cannot be, the fault says why. */
static struct call_entry *begin_text(struct lane *l, struct command_wait *w, struct call_entry *c,
				     struct fault *f)
{
	const struct dir_source *source =
		l->dir ? directory_source_by_id(l->dir, &w->source) : NULL;
	struct span first = buf_span(&w->beginning);

	if (!source) {
		fault(f, E_NOT_FOUND, "the source is gone");
		return NULL;
	}
	if (!c)
		c = lane_begin_call(l, &w->ours, source, first, f);
	else if (lane_input(l, c, RECORD_WEBHOOK, first, NULL, f))
		return NULL;
	if (c)
		context_ask_running(l, c);
	return c;
}

static void take_text(struct lane *l, struct command_wait *w, struct span key)
{
	struct call_entry *c = lane_call(l, &w->ours);
	struct buf known AUTO_BUF = { 0 };
	struct fault f = { .code = E_UNAVAILABLE };

	c = c && is_over(w, c) ? NULL : c;
	bool again = c && has_key(c, key, &known);
	if (again && !is_same_text(w, buf_span(&known))) {
		refuse(w, E_CONFLICT, USED_KEY);
		return;
	}
	if (!again && !(c && session_in_progress(c->session)))
		c = begin_text(l, w, c, &f);
	if (c)
		take_command(l, w, c);
	else
		refuse(w, f.code == E_IO ? E_UNAVAILABLE : f.code, f.text);
}

/* To each lane, then to the owner. */
static void next_search(struct command_wait *w)
{
	w->searched = w->asked == w->in->lanes_n;
	to_lane(w, w->searched ? lane_owner(w->in, &w->ours) : w->in->lanes[w->asked++]);
}

static void run_text(struct lane *l, struct command_wait *w)
{
	struct arena a = { 0 };
	struct span key = json_text(json_get(json_of(buf_span(&w->command)), "key"), &a);

	if (w->searched)
		take_text(l, w, key);
	else if (is_used_elsewhere(w, l, key))
		refuse(w, E_CONFLICT, USED_KEY);
	else
		next_search(w);
	arena_fini(&a);
}

static void run_at_lane(struct mail *m, struct shard *here)
{
	struct command_wait *w = (struct command_wait *)m;
	struct lane *l = w->owner;
	struct call_entry *c;

	(void)here;
	if (l->stopped) {
		refuse(w, E_UNAVAILABLE, "this node is stopping");
	} else if (w->beginning.n) {
		run_text(l, w);
	} else if (!uuid_is_nil(&w->ours)) {
		try_ours(l, w);
	} else if ((c = find_named(w, l)) != NULL) {
		take_command(l, w, c);
	} else {
		next_lane(w);
	}
}

static struct command_wait *wait_new(struct live *live, struct shard *here, const struct uuid *org,
				     const struct command *command, int64_t wait_ms)
{
	struct command_wait *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->in = live->in;
	w->home = here;
	w->org = *org;
	w->wait_ms = wait_ms;
	command_write(command, &w->command);
	return w;
}

static bool is_same_member(const struct command_wait *a, const struct command_wait *b,
			   const char *name)
{
	return span_eq(json_get(json_of(buf_span(&a->command)), name).raw,
		       json_get(json_of(buf_span(&b->command)), name).raw);
}

/* false: one that is under way has its key for something else. */
static bool enter_texts(struct command_wait *w)
{
	struct command_wait *other;
	bool clash = false;

	pthread_mutex_lock(&w->in->texts_lock);
	DL_FOREACH2(w->in->texts, other, text_next)
	{
		clash |= uuid_eq(&other->source, &w->source) && is_same_member(other, w, "key") &&
			 !(uuid_eq(&other->ours, &w->ours) && is_same_member(other, w, "text"));
	}
	if (!clash)
		DL_APPEND2(w->in->texts, w, text_prev, text_next);
	w->listed = !clash;
	pthread_mutex_unlock(&w->in->texts_lock);
	return !clash;
}

int live_command(struct live *live, struct shard *here, const struct uuid *org, struct span call,
		 const struct command *command, int64_t wait_ms,
		 void (*done)(void *, const struct live_command_answer *), void *user)
{
	struct command_wait *w = wait_new(live, here, org, command, wait_ms);

	w->done = done;
	w->user = user;
	w->name = lane_name(org, call);
	if (uuid_parse(&w->ours, call))
		w->ours = (struct uuid){ { 0 } };
	if (uuid_is_nil(&w->ours))
		next_lane(w);
	else
		to_lane(w, lane_owner(w->in, &w->ours));
	return 0;
}

int live_text(struct live *live, struct shard *here, const struct uuid *org,
	      const struct live_text *text, const struct command *command, int64_t wait_ms,
	      void (*done)(void *, const struct live_command_answer *), void *user)
{
	const struct directory *dir = live_directory(live, here);
	const struct dir_source *source = dir ? directory_source_by_id(dir, &text->source) : NULL;
	const struct dialect *dialect = source ? dialect_find(source->dialect) : NULL;
	struct arena a = { 0 };
	struct span name;

	if (!source || !uuid_eq(&source->org, org))
		return E_NOT_FOUND;
	if (!dialect || !dialect->begin_text)
		return E_INVALID;
	struct command_wait *w = wait_new(live, here, org, command, wait_ms);
	w->done = done;
	w->user = user;
	w->source = text->source;
	dialect->begin_text(text->ours, text->theirs, &a, &name, &w->beginning);
	w->ours = uuid_v5(&text->source, name);
	arena_fini(&a);
	w->asked = command->key.n ? 0 : w->in->lanes_n;
	if (command->key.n && !enter_texts(w))
		refuse(w, E_CONFLICT, USED_KEY);
	else
		next_search(w);
	return 0;
}
