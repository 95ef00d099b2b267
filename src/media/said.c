/* What the platform says about a call over the socket of its audio, in words: handed on as it came,
 * one message after the other, each when the one before was taken.
 *
 * Failure modes: the node or its journal is full - messages wait, in order and bounded, and the
 * first is tried again five times a second, by a line whose socket is gone for CLOSED_TRIES; more
 * than there is room for - the newest are left out, which is said in the log and, when others are
 * taken again, to the call (HEARD_UNTOLD); the source is gone or the node stops - nobody takes
 * them; it cannot be read - kept in quarantine, as a webhook would be. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "media/internal.h"

enum { CLOSED_TRIES = 5 * 60 * 5 };

static void lose(struct media_line *l, const char *why)
{
	char call[UUID_TEXT + 1] = "not known yet";

	if (l->has_call)
		uuid_format(&l->call, call);
	l->said_lost++;
	log_often(LOG_WARN, "media", l->source->name,
		  "%s of source %.*s, call %s: messages of the platform are left out: %s",
		  l->dialect->title, SPAN_ARG(l->source->name), call, why);
}

static void drop_first(struct media_line *l)
{
	struct line_said *first = l->said;

	l->said_bytes -= first->n;
	DL_DELETE(l->said, first);
	free(first);
}

static void tell_lost(struct media_line *l)
{
	struct heard h = { .kind = HEARD_UNTOLD, .at_us = clock_now_us(), .value = l->said_lost };

	l->said_lost = 0;
	line_tell(l, &h, 1);
}

static void say_next(struct media_line *l);

static void on_said(struct connect_message *m)
{
	struct media_line *l = CONTAINER_OF(m, struct media_line, said_post);

	l->said_posted = false;
	l->said_full = m->code == E_FULL;
	if (!l->said_full)
		drop_first(l);
	if (!l->said_full && l->said_lost)
		tell_lost(l);
	say_next(l);
	line_release_soon(l);
}

static void say_next(struct media_line *l)
{
	if (!l->said || l->said_posted || l->said_full)
		return;
	l->said_post = (struct connect_message){ .source = l->source->id,
						 .json = { l->said->json, l->said->n },
						 .when_taken = true,
						 .done = on_said };
	l->said_posted = true;
	hear_message(l->home->media->config.hear, l->home->shard, &l->said_post);
}

/* One alone may be as large as its protocol has them. */
void line_say_on(struct media_line *l, struct span json)
{
	if (l->said && l->said_bytes + json.n > LINE_SAID_BYTES) {
		lose(l, "the node is full");
		return;
	}
	struct line_said *said = malloc(sizeof(*said) + json.n);

	CHECK(said);
	said->n = json.n;
	memcpy(said->json, json.p, json.n);
	DL_APPEND(l->said, said);
	l->said_bytes += json.n;
	say_next(l);
}

/* Lines are few: one that is over keeps no other from beginning for longer than that. */
static void give_up(struct media_line *l)
{
	for (struct line_said *said = l->said; said; said = l->said) {
		lose(l, "the node is full, and has been for long");
		drop_first(l);
	}
	tell_lost(l);
	line_release_soon(l);
}

void line_say_again(struct media_line *l)
{
	if (!l->said_full || l->said_posted)
		return;
	l->said_full = false;
	if (!line_is_open(l) && ++l->said_tries > CLOSED_TRIES)
		give_up(l);
	else
		say_next(l);
}

void line_forget_said(struct media_line *l)
{
	while (l->said)
		drop_first(l);
}
