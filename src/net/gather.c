/* Reading a steady stream several messages at a time.
 *
 * What a message of live audio costs is mostly the wake-up and the read for it, not its bytes. The
 * kernel can be told to wake us when so many bytes are there (SO_RCVLOWAT): those of the last
 * message, as often as the stream has messages in a beat, less three quarters of one, since sizes
 * differ a little. No system call is made for a beat that comes as the last one did. With MANY
 * streams it is two beats: then the processor is what is short, not 20 ms.
 *
 * What does not come whole - a leg pauses, a pong or a "stop" comes alone, a sender waits for an
 * acknowledgement - is read one to two beats after it is due, and the socket is read at once for
 * REST beats before it is tried again. An end of the connection always wakes us. */
#include <stdlib.h>
#include <sys/socket.h>

#include "net/internal.h"

enum {
	BEAT_MS = 20,
	REST = 50,
	MANY = 150,
	MANY_LESS = 100, /* few again */
};

static void set_low_water(struct gathered *g, int bytes)
{
	g->low_water = bytes;
	/* Not a socket that has it: it is woken for each byte, as before. */
	(void)setsockopt(g->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* Everybody's mark is set anew by the next message. */
static void set_beats(struct gather *all, unsigned beats)
{
	all->beats = beats;
	for (size_t i = 0; i < all->n; i++)
		if (all->of[i].low_water > 1)
			set_low_water(&all->of[i], 1);
}

static void on_beat(uv_timer_t *timer)
{
	struct gather *all = timer->data;

	all->beat++;
	if (all->n >= MANY && all->beats == 1)
		set_beats(all, 2);
	if (all->n < MANY_LESS && all->beats == 2)
		set_beats(all, 1);
	for (size_t i = 0; i < all->n; i++) {
		struct gathered *g = &all->of[i];

		if (g->low_water == 1 || all->beat - g->received <= all->beats)
			continue;
		g->again = all->beat + REST;
		set_low_water(g, 1); /* wakes us for what is there */
	}
}

void gather_init(struct gather *all, uv_loop_t *loop)
{
	CHECK(uv_timer_init(loop, &all->timer) == 0);
	all->timer.data = all;
	all->beats = 1;
}

void gather_close(struct gather *all)
{
	uv_close((uv_handle_t *)&all->timer, NULL);
}

void gather_fini(struct gather *all)
{
	free(all->of);
}

static struct gathered *add(struct gather *all, size_t *place, int fd)
{
	if (!all->of || all->n == all->cap) {
		all->cap = all->cap ? all->cap * 2 : 64;
		all->of = realloc(all->of, all->cap * sizeof(*all->of));
		CHECK(all->of);
	}
	if (!all->n)
		uv_timer_start(&all->timer, on_beat, BEAT_MS, BEAT_MS);
	all->of[all->n] = (struct gathered){ .place = place, .fd = fd, .low_water = 1 };
	*place = ++all->n;
	return &all->of[*place - 1];
}

void gather_forget(struct gather *all, size_t *place)
{
	struct gathered *last = &all->of[--all->n];

	all->of[*place - 1] = *last;
	*last->place = *place;
	*place = 0;
	if (!all->n)
		uv_timer_stop(&all->timer);
}

void gather_set(struct gather *all, size_t *place, int fd, unsigned messages)
{
	struct gathered *g = *place ? &all->of[*place - 1] : NULL;

	if (!g && messages)
		g = add(all, place, fd);
	if (!g)
		return;
	g->messages = messages;
	if (g->low_water > 1)
		set_low_water(g, 1);
	if (!messages)
		gather_forget(all, place);
}

void gather_received(struct gather *all, size_t place, size_t bytes)
{
	struct gathered *g = &all->of[place - 1];
	unsigned messages = g->messages * all->beats;

	g->received = all->beat;
	if (messages > 1 && bytes >= (size_t)g->low_water && bytes <= GATHERED_MAX &&
	    (int)(all->beat - g->again) >= 0)
		set_low_water(g, (int)(bytes * messages - bytes * 3 / 4));
}
