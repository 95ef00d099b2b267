/* Calls that are known by their live audio only: nobody sends webhooks about them and nobody can be
 * asked or told anything. Their BIND names this protocol, whatever carried the audio. */
#include "dialect/audio.h"

static int classify(struct span body, struct arena *a, struct envelope *out, struct fault *f)
{
	(void)body, (void)a, (void)out;
	return fault(f, E_INVALID, "this source takes live audio, not messages");
}

static int read_message(struct span reduced, struct arena *a, struct inputs *out, struct fault *f)
{
	(void)reduced, (void)a, (void)out;
	return fault(f, E_INVALID, "no messages are known of calls of live audio");
}

static const char *cannot(enum command_verb verb, const struct command_where *where)
{
	(void)verb, (void)where;
	return "nobody can be told anything in calls of live audio only";
}

static int command(const struct command *c, const struct command_where *where, struct arena *a,
		   struct provider_request *out, struct fault *f)
{
	(void)a, (void)out;
	return fault(f, E_INVALID, "%s", cannot(c->verb, where));
}

const struct dialect audio_dialect = {
	.name = "audio",
	.title = "Live audio only",
	.classify = classify,
	.read = read_message,
	.cannot = cannot,
	.command = command,
};
