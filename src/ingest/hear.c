/* Calls as live audio sees them.
 *
 * Happy path of a claim: a token names its call; else the platform's id does, as that of a call of
 * the same source; else a call of the organisation that has this id as its carrier's, lane after
 * lane; else the only call in progress of the source that has no audio; else, when asked for, a
 * call of its own. Each step is a mail to the lane it is about; what is found is taken on its
 * owner's lane, where two claims cannot take one call both for its only one.
 *
 * Tokens are made, not kept: the call's id and a MAC over it and its organisation, with a key of
 * this node that outlives restarts (state_dir/audio.key). Who has one may give it to a stream of
 * any source of that organisation: such a stream has to prove itself to its source all the same.
 *
 * Failure modes: the key cannot be read or written - the start fails and says so; a full node or
 * journal - no call of its own (REFUSED), facts are thinned unless they are the begin or end of
 * audio; the call is over - E_NOT_FOUND; the lane has stopped - likewise. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/tasks.h"

enum { TOKEN_MAC = 16, TOKEN_BYTES = 16 + TOKEN_MAC, TOKEN_TEXT = 2 * TOKEN_BYTES };

static const char *const way_names[] = {
#define X(name, text, doc) [HEAR_##name] = text,
	HEAR_WAYS(X)
#undef X
};

const char *hear_way_name(enum hear_way w)
{
	return way_names[w];
}

/* --- tokens --- */

static int read_key(struct hear *h, const char *path, struct fault *f)
{
	struct buf b AUTO_BUF = { 0 };

	TRY(file_read(path, HEAR_KEY_BYTES + 1, &b, f));
	if (b.n != HEAR_KEY_BYTES)
		return fault(f, E_CORRUPT, "%s: not %d bytes", path, HEAR_KEY_BYTES);
	memcpy(h->key, b.p, b.n);
	return 0;
}

static int make_key(struct hear *h, const char *path, struct fault *f)
{
	crypto_random(h->key, sizeof(h->key));
	return file_replace(path, 0600, (struct span){ (const char *)h->key, sizeof(h->key) }, f);
}

int hear_open(struct hear *h, struct ingest *in, const char *state_dir, struct fault *f)
{
	char path[4096];

	h->in = in;
	snprintf(path, sizeof(path), "%s/audio.key", state_dir);
	int rc = read_key(h, path, f);
	return rc == E_NOT_FOUND ? make_key(h, path, f) : rc;
}

static void mac_of(const struct hear *h, const struct uuid *org, const struct uuid *call,
		   uint8_t out[MAC_MAX])
{
	struct uuid both[2] = { *org, *call };

	crypto_hmac(DIGEST_SHA256, (struct span){ (const char *)h->key, sizeof(h->key) },
		    (struct span){ (const char *)both, sizeof(both) }, out);
}

void hear_token(const struct hear *h, const struct uuid *org, const struct uuid *call,
		struct buf *out)
{
	uint8_t mac[MAC_MAX];

	mac_of(h, org, call, mac);
	crypto_hex((struct span){ (const char *)call, sizeof(*call) }, out);
	crypto_hex((struct span){ (const char *)mac, TOKEN_MAC }, out);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unhex(struct span text, uint8_t out[TOKEN_BYTES])
{
	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		int high = hex_digit(text.p[2 * i]), low = hex_digit(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool token_call(const struct hear *h, const struct uuid *org, struct span text,
		       struct uuid *call)
{
	uint8_t bytes[TOKEN_BYTES], mac[MAC_MAX];

	if (text.n != TOKEN_TEXT || !unhex(text, bytes))
		return false;
	memcpy(call, bytes, sizeof(*call));
	mac_of(h, org, call, mac);
	return crypto_equal((struct span){ (const char *)mac, TOKEN_MAC },
			    (struct span){ (const char *)bytes + sizeof(*call), TOKEN_MAC });
}

bool hear_is_token(const struct hear *h, const struct uuid *org, struct span text)
{
	struct uuid call;

	return token_call(h, org, text, &call);
}

void live_audio_token(struct live *live, const struct uuid *org, const struct uuid *call,
		      struct buf *out)
{
	hear_token(&live->in->hear, org, call, out);
}

/* --- who may --- */

const struct directory *hear_directory(struct hear *h, struct shard *here)
{
	return lane_of(h->in, here)->dir;
}

bool hear_draining(const struct hear *h)
{
	return ingest_draining(h->in);
}

int hear_admit(const struct dir_source *source, const struct exchange *x, struct fault *f)
{
	return auth_check(source, x, (struct span){ 0 }, clock_now_us(), f);
}

/* --- claims --- */

static struct lane *lane_at(struct hear *h, struct shard *here)
{
	return lane_of(h->in, here);
}

static void run_answer(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;

	(void)here;
	c->answer(c);
}

static void answer(struct hear_claim *c, enum hear_way way)
{
	c->way = way;
	c->mail.run = run_answer;
	shard_post_sure(c->home, &c->mail);
}

static void at(struct hear_claim *c, struct lane *l, void (*run)(struct mail *, struct shard *))
{
	c->mail.run = run;
	shard_post_sure(l->shard, &c->mail);
}

static bool is_live(const struct hear_claim *c, const struct call_entry *e)
{
	return e->session && session_settings(e->session) && !session_ended(e->session) &&
	       uuid_eq(&session_settings(e->session)->org, &c->org);
}

/* It has no other news than its audio. */
static bool is_own_kind(const struct call_entry *e)
{
	return span_is(session_settings(e->session)->dialect, "audio");
}

static void take_call(struct hear_claim *c, struct call_entry *e, enum hear_way way)
{
	e->audio++;
	c->call = e->id;
	answer(c, way);
}

static const struct dir_source *source_of(const struct lane *l, const struct hear_claim *c)
{
	return l->dir ? directory_source_by_id(l->dir, &c->source) : NULL;
}

static struct uuid own_id(const struct hear_claim *c)
{
	return uuid_v5(&c->source, c->call_id.n ? c->call_id : c->own_name);
}

static void run_own(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct lane *l = lane_at(c->hear, here);
	const struct dir_source *source = source_of(l, c);
	struct uuid id = own_id(c);
	struct call_entry *e = NULL;
	struct fault f = { .text = "the node stops, or the source is gone" };

	if (!l->stopped && source)
		e = lane_audio_call(l, &id, source, &f);
	if (e) {
		take_call(c, e, HEAR_OWN);
		return;
	}
	log_warn("media", "no call for live audio: %s", f.text);
	answer(c, HEAR_REFUSED);
}

/* Nothing more to look for but what there is of its own. */
static void no_other(struct hear_claim *c)
{
	struct uuid id = own_id(c);
	bool known = !uuid_is_nil(&c->found) && uuid_eq(&c->found, &id);

	if (c->make || (known && !uuid_eq(&c->found, &c->call)))
		at(c, lane_owner(c->hear->in, &id), run_own);
	else
		answer(c, HEAR_NONE);
}

static void run_take_only(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct call_entry *e = lane_call(lane_at(c->hear, here), &c->asked);

	if (e && is_live(c, e) && !e->audio)
		take_call(c, e, HEAR_ONLY);
	else
		no_other(c);
}

static bool is_candidate(const struct hear_claim *c, const struct call_entry *e)
{
	return is_live(c, e) && !e->audio && session_in_progress(e->session) &&
	       uuid_eq(&session_settings(e->session)->source, &c->source);
}

static void run_count(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct ingest *in = c->hear->in;

	for (struct call_entry *e = lane_at(c->hear, here)->calls; e; e = e->hh.next) {
		if (!is_candidate(c, e))
			continue;
		c->asked = e->id;
		c->candidates++;
	}
	if (++c->lane < in->lanes_n && c->candidates < 2)
		at(c, in->lanes[c->lane], run_count);
	else if (c->candidates == 1)
		at(c, lane_owner(in, &c->asked), run_take_only);
	else
		no_other(c);
}

static void count_candidates(struct hear_claim *c)
{
	c->lane = c->candidates = 0;
	if (c->only_one)
		at(c, c->hear->in->lanes[0], run_count);
	else
		no_other(c);
}

static void run_telephony(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct ingest *in = c->hear->in;
	struct uuid name = lane_telephony(&c->org, c->call_id);

	for (struct call_name *n = lane_named(lane_at(c->hear, here), &name); n; n = n->namesake) {
		if (is_live(c, n->call)) {
			take_call(c, n->call, HEAR_TELEPHONY);
			return;
		}
	}
	if (++c->lane < in->lanes_n)
		at(c, in->lanes[c->lane], run_telephony);
	else
		count_candidates(c);
}

/* A call that only its audio has told of may turn out to be another's. */
static void run_call_id(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct call_entry *e = lane_call(lane_at(c->hear, here), &c->asked);

	if (e && is_live(c, e) && !is_own_kind(e)) {
		take_call(c, e, HEAR_CALL_ID);
		return;
	}
	if (e && is_live(c, e))
		c->found = e->id;
	c->lane = 0;
	at(c, c->hear->in->lanes[0], run_telephony);
}

static void ask_call_id(struct hear_claim *c)
{
	if (!c->call_id.n) {
		count_candidates(c);
		return;
	}
	c->asked = uuid_v5(&c->source, c->call_id);
	at(c, lane_owner(c->hear->in, &c->asked), run_call_id);
}

static void run_token(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;
	struct call_entry *e = lane_call(lane_at(c->hear, here), &c->asked);

	if (e && is_live(c, e))
		take_call(c, e, HEAR_TOKEN);
	else
		ask_call_id(c);
}

void hear_bind(struct hear *h, struct shard *here, struct hear_claim *c)
{
	c->hear = h;
	c->home = here;
	c->found = (struct uuid){ { 0 } };
	if (c->token.n && token_call(h, &c->org, c->token, &c->asked))
		at(c, lane_owner(h->in, &c->asked), run_token);
	else
		ask_call_id(c);
}

/* --- mail about a call --- */

struct call_mail {
	struct mail mail;
	struct hear *hear;
	struct uuid call;
};

static void post_call(struct hear *h, struct lane *l, const struct uuid *call,
		      void (*run)(struct mail *, struct shard *))
{
	struct call_mail *m = calloc(1, sizeof(*m));

	CHECK(m);
	m->mail.run = run;
	m->hear = h;
	m->call = *call;
	shard_post_sure(l->shard, &m->mail);
}

static void run_release(struct mail *m, struct shard *here)
{
	struct call_mail *cm = (struct call_mail *)m;
	struct call_entry *e = lane_call(lane_at(cm->hear, here), &cm->call);

	if (e && e->audio)
		e->audio--;
	free(cm);
}

static void run_hold(struct mail *m, struct shard *here)
{
	struct call_mail *cm = (struct call_mail *)m;
	struct call_entry *e = lane_call(lane_at(cm->hear, here), &cm->call);

	if (e)
		e->audio++;
	free(cm);
}

void hear_hold(struct hear *h, const struct uuid *call)
{
	post_call(h, lane_owner(h->in, call), call, run_hold);
}

void hear_release(struct hear *h, const struct uuid *call)
{
	post_call(h, lane_owner(h->in, call), call, run_release);
}

/* --- facts --- */

static void run_told(struct mail *m, struct shard *here)
{
	struct hear_post *p = (struct hear_post *)m;

	(void)here;
	p->told(p);
}

static int journal_facts(struct lane *l, const struct hear_post *p)
{
	struct call_entry *e = l->stopped ? NULL : lane_call(l, &p->call);
	struct fault f = { 0 };
	uint64_t number = 0;

	if (!e || !e->session)
		return E_NOT_FOUND;
	int rc = lane_input(l, e, RECORD_HEARD, p->body, &number, &f);
	if (number && rc)
		log_warn("media", "%s", f.text);
	if (number || rc == E_NOT_FOUND)
		return number ? 0 : rc;
	if (p->sure)
		lane_input_sure(l, &p->call, RECORD_HEARD, p->body);
	else
		metric_add(METRIC_MEDIA_THINNED, 1);
	return p->sure ? 0 : E_FULL;
}

static void run_tell(struct mail *m, struct shard *here)
{
	struct hear_post *p = (struct hear_post *)m;
	struct lane *l = lane_at(p->hear, here);

	p->code = journal_facts(l, p);
	if (p->code == 0)
		atomic_store(&l->heard_us, clock_monotonic_us());
	p->mail.run = run_told;
	if (p->home == here)
		p->told(p);
	else
		shard_post_sure(p->home, &p->mail);
}

void hear_tell(struct hear *h, struct shard *here, struct hear_post *p)
{
	struct lane *owner = lane_owner(h->in, &p->call);

	p->hear = h;
	p->home = here;
	p->mail.run = run_tell;
	if (owner->shard == here)
		run_tell(&p->mail, here);
	else
		shard_post_sure(owner->shard, &p->mail);
}

void hear_message(struct hear *h, struct shard *here, struct connect_message *m)
{
	told_take(h->in, here, m);
}

/* --- what happens to calls --- */

void hear_watch(struct hear *h, const struct hear_calls *calls)
{
	h->calls = *calls;
}

static void tell_running(struct lane *l, struct call_entry *e)
{
	const struct hear *h = &l->in->hear;

	e->running_told = true;
	h->calls.running(h->calls.user, l->shard, &e->id, &session_settings(e->session)->source,
			 session_provider_call_id(e->session), session_listen_url(e->session));
}

void hear_note(struct lane *l, struct call_entry *e)
{
	const struct hear *h = &l->in->hear;

	if (!h->calls.running || !l->resumed || !e->session)
		return;
	if (!e->running_told && session_in_progress(e->session) && session_listen_url(e->session).n)
		tell_running(l, e);
	if (e->running_told && session_ended(e->session)) {
		e->running_told = false;
		h->calls.ended(h->calls.user, l->shard, &e->id);
	}
}

/* --- link by API --- */

struct linking {
	struct mail mail;
	struct ingest *in;
	struct shard *home;
	struct uuid org, from, to;
	unsigned lane;
	bool any; /* audio that goes there */
	int code;
	void (*done)(void *user, int code);
	void *user;
};

static void run_linked(struct mail *m, struct shard *here)
{
	struct linking *k = (struct linking *)m;

	(void)here;
	k->done(k->user, k->code);
	free(k);
}

static void end_linking(struct linking *k, int code)
{
	k->code = code;
	k->mail.run = run_linked;
	shard_post_sure(k->home, &k->mail);
}

/* A call may have audio that is not of its own, and keeps that. */
static void run_tell_link(struct mail *m, struct shard *here)
{
	struct linking *k = (struct linking *)m;
	const struct hear_calls *calls = &k->in->hear.calls;

	if (calls->linked)
		k->any |= calls->linked(calls->user, here, &k->from, &k->to);
	if (++k->lane < k->in->lanes_n)
		shard_post_sure(k->in->lanes[k->lane]->shard, &k->mail);
	else
		end_linking(k, k->any ? 0 : E_CONFLICT);
}

static struct call_entry *linkable(const struct linking *k, struct shard *here,
				   const struct uuid *id)
{
	struct call_entry *e = lane_call(lane_of(k->in, here), id);
	const struct settings *s = e && e->session ? session_settings(e->session) : NULL;

	return s && uuid_eq(&s->org, &k->org) && !session_ended(e->session) ? e : NULL;
}

static void run_link_to(struct mail *m, struct shard *here)
{
	struct linking *k = (struct linking *)m;

	if (!linkable(k, here, &k->to)) {
		end_linking(k, E_NOT_FOUND);
		return;
	}
	k->mail.run = run_tell_link;
	shard_post_sure(k->in->lanes[0]->shard, &k->mail);
}

static void run_link_from(struct mail *m, struct shard *here)
{
	struct linking *k = (struct linking *)m;
	struct call_entry *e = linkable(k, here, &k->from);

	if (!e || !e->audio || uuid_eq(&k->from, &k->to)) {
		end_linking(k, e ? E_CONFLICT : E_NOT_FOUND);
		return;
	}
	k->mail.run = run_link_to;
	shard_post_sure(lane_owner(k->in, &k->to)->shard, &k->mail);
}

void live_link_audio(struct live *live, struct shard *here, const struct uuid *org,
		     const struct uuid *from, const struct uuid *to,
		     void (*done)(void *user, int code), void *user)
{
	struct linking *k = calloc(1, sizeof(*k));

	CHECK(k);
	*k = (struct linking){ .in = live->in,
			       .home = here,
			       .org = *org,
			       .from = *from,
			       .to = *to,
			       .done = done,
			       .user = user };
	k->mail.run = run_link_from;
	shard_post_sure(lane_owner(k->in, from)->shard, &k->mail);
}
