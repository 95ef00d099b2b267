#include "node/watch_parties.h"

#include <stdio.h>
#include <stdlib.h>

#include "callmend/input.h"
#include "node/text.h"

static const struct {
	const char *state, *said;
} stands[] = {
	[WATCH_RINGING] = { "ringing", "rings" }, [WATCH_TALKING] = { "talking", "talks" },
	[WATCH_HELD] = { "held", "is on hold" },  [WATCH_PARKED] = { "parked", "is parked" },
	[WATCH_LEFT] = { "left", "has left" },	  [WATCH_MOVED] = { "moved", "was handed on" },
};
enum { STANDS = sizeof(stands) / sizeof(stands[0]) };

static enum watch_stand stand_of(struct json state)
{
	unsigned i = 0;

	while (i < STANDS && !json_is_text(state, stands[i].state))
		i++;
	return i < STANDS ? (enum watch_stand)i : WATCH_TALKING;
}

/* --- readers: as much as fits, harmless --- */

static void copy_span(char *out, size_t size, struct span text)
{
	struct buf b AUTO_BUF = { 0 };

	text_clip(&b, text, size / 4);
	snprintf(out, size, "%s", buf_z(&b));
}

static bool copy_text(char *out, size_t size, struct json object, const char *name)
{
	struct arena a = { 0 };
	struct span text = json_text(json_get(object, name), &a);

	if (text.n)
		copy_span(out, size, text);
	arena_fini(&a);
	return text.n;
}

static void read_id(struct json party, char out[WATCH_PARTY_ID_MAX])
{
	struct arena a = { 0 };
	struct span id = json_text(json_get(party, "party_id"), &a);

	snprintf(out, WATCH_PARTY_ID_MAX, "%.*s", SPAN_ARG(id));
	arena_fini(&a);
}

static void leg_id(struct json leg, char out[WATCH_PARTY_ID_MAX])
{
	struct arena a = { 0 };
	struct span stream = json_text(json_get(leg, "stream"), &a);
	int64_t n = 0;

	(void)json_i64(json_get(leg, "leg"), &n);
	snprintf(out, WATCH_PARTY_ID_MAX, "%lld/%.*s", (long long)n, SPAN_ARG(stream));
	arena_fini(&a);
}

/* --- the list --- */

void watch_parties_fini(struct watch_parties *p)
{
	free(p->items);
	*p = (struct watch_parties){ 0 };
}

bool watch_party_is_gone(const struct watch_party *p)
{
	return p->stand >= WATCH_LEFT;
}

static struct watch_party *find(const struct watch_parties *p, const char *id)
{
	for (unsigned i = p->n; i-- > 0;) {
		if (strcmp(p->items[i].id, id) == 0)
			return &p->items[i];
	}
	return NULL;
}

static void make_room(struct watch_parties *p)
{
	unsigned i = 0;

	while (i < p->n && !watch_party_is_gone(&p->items[i]))
		i++;
	if (i == p->n)
		return;
	p->n--;
	memmove(&p->items[i], &p->items[i + 1], (p->n - i) * sizeof(*p->items));
}

static struct watch_party *add(struct watch_parties *p, const char *id)
{
	if (p->n == WATCH_PARTIES_MAX)
		make_room(p);
	if (p->n == WATCH_PARTIES_MAX)
		return NULL;
	p->items = realloc(p->items, (p->n + 1) * sizeof(*p->items));
	CHECK(p->items);
	struct watch_party *added = &p->items[p->n++];
	*added = (struct watch_party){ .stand = WATCH_TALKING };
	snprintf(added->id, sizeof(added->id), "%s", id);
	return added;
}

static void describe(struct watch_party *one, struct json party)
{
	if (!copy_text(one->name, sizeof(one->name), party, "name"))
		copy_text(one->name, sizeof(one->name), party, "number");
	copy_text(one->side, sizeof(one->side), party, "side");
	one->stand = stand_of(json_get(party, "state"));
	one->muted = json_true(json_get(party, "muted"));
}

bool watch_parties_party(struct watch_parties *p, struct json party)
{
	char id[WATCH_PARTY_ID_MAX];

	read_id(party, id);
	struct watch_party *one = find(p, id);
	bool fresh = !one;
	p->told = true;
	if (!one)
		one = add(p, id);
	if (!one || (!fresh && json_true(json_get(party, "late"))))
		return false;
	const struct watch_party before = *one;
	describe(one, party);
	return fresh || before.stand != one->stand || before.muted != one->muted ||
	       strcmp(before.name, one->name) != 0;
}

/* --- legs of live audio --- */

static void put_leg(struct watch_parties *p, struct json leg, struct json speaker)
{
	char id[WATCH_PARTY_ID_MAX];

	leg_id(leg, id);
	struct watch_party *one = find(p, id);
	if (one && watch_party_is_gone(one)) { /* somebody else has this leg now */
		one->id[0] = '\0';
		one = NULL;
	}
	if (!one)
		one = add(p, id);
	if (!one)
		return;
	one->by_audio = true;
	if (!copy_text(one->name, sizeof(one->name), leg, "who"))
		copy_text(one->name, sizeof(one->name), leg, "party");
	bool ours = json_is_text(speaker, speaker_name(SPEAKER_AI));
	snprintf(one->side, sizeof(one->side), "%s", ours ? "inside" : "outside");
	one->stand = json_true(json_get(leg, "held")) ? WATCH_HELD : WATCH_TALKING;
}

void watch_parties_attached(struct watch_parties *p, struct json event)
{
	struct json leg = json_get(event, "data");

	if (json_has(json_get(leg, "who")) || json_has(json_get(leg, "party")))
		put_leg(p, leg, json_get(event, "speaker"));
}

static struct watch_party *of_leg(struct watch_parties *p, struct json event)
{
	char id[WATCH_PARTY_ID_MAX];

	leg_id(json_get(event, "data"), id);
	return find(p, id);
}

void watch_parties_held(struct watch_parties *p, struct json event)
{
	struct watch_party *one = of_leg(p, event);

	if (one)
		one->stand = json_true(json_path(event, "data.held")) ? WATCH_HELD : WATCH_TALKING;
}

void watch_parties_detached(struct watch_parties *p, struct json event)
{
	struct watch_party *one = of_leg(p, event);

	if (one)
		one->stand = WATCH_LEFT;
}

static void snapshot_legs(struct watch_parties *p, struct json legs)
{
	struct json_iter it = json_iter(legs);
	struct span key;
	struct json leg;

	while (json_next(&it, &key, &leg)) {
		bool named = json_has(json_get(leg, "who")) || json_has(json_get(leg, "party"));
		if (named && json_true(json_get(leg, "attached")))
			put_leg(p, leg, json_get(leg, "speaker"));
	}
}

void watch_parties_snapshot(struct watch_parties *p, struct json snapshot)
{
	struct json_iter it = json_iter(json_get(snapshot, "parties"));
	struct span key;
	struct json party;

	watch_parties_fini(p);
	while (json_next(&it, &key, &party))
		(void)watch_parties_party(p, party);
	snapshot_legs(p, json_path(snapshot, "audio.legs"));
}

/* --- questions --- */

bool watch_party_counts(const struct watch_parties *p, const struct watch_party *one)
{
	return !(p->told && one->by_audio);
}

bool watch_parties_hold(const struct watch_parties *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		enum watch_stand stand = p->items[i].stand;
		if (watch_party_counts(p, &p->items[i]) &&
		    (stand == WATCH_HELD || stand == WATCH_PARKED))
			return true;
	}
	return false;
}

bool watch_parties_our_hold(const struct watch_parties *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct watch_party *one = &p->items[i];
		if (watch_party_counts(p, one) && one->stand == WATCH_HELD &&
		    (one->by_audio || strcmp(one->side, "inside") == 0))
			return true;
	}
	return false;
}

void watch_party_text(const struct watch_party *p, struct buf *out)
{
	buf_printf(out, "%s (%s) %s%s", p->name[0] ? p->name : "somebody", p->side,
		   stands[p->stand].said, p->muted && !watch_party_is_gone(p) ? ", muted" : "");
}

void watch_party_news(struct json party, struct buf *out)
{
	struct watch_party one = { 0 };
	struct arena a = { 0 };
	struct span reason = json_text(json_get(party, "reason"), &a);

	describe(&one, party);
	watch_party_text(&one, out);
	if (reason.n) {
		buf_addz(out, ": ");
		text_clean(out, reason);
	}
	arena_fini(&a);
}
