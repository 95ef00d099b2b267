#include <ctype.h>

#include "dialect/media_json.h"
#include "dialect/ringcx_parts.h"

bool ringcx_is_name(struct span name, const char *plain)
{
	for (size_t i = 0; i < name.n; i++) {
		if (memchr("_- ", name.p[i], 3))
			continue;
		if (!*plain || tolower((unsigned char)name.p[i]) != *plain)
			return false;
		plain++;
	}
	return !*plain;
}

void ringcx_take_name(struct ringcx_names *n, struct span name, struct span value)
{
	const struct {
		const char *plain;
		struct span *to;
	} known[] = {
		{ "callmendtoken", &n->token },
		{ "callmendcallid", &n->call_id },
		{ "telephonysessionid", &n->telephony_id },
		{ "rctelephonysessionid", &n->telephony_id },
		{ "ringcentraltelephonysessionid", &n->telephony_id },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!known[i].to->n && ringcx_is_name(name, known[i].plain))
			*known[i].to = value;
}

static void put(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

static struct span message_of(const struct ringcx_call *c, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };

	json_begin(&o, NULL);
	json_put_z(&o, "callmend", "dialog");
	json_begin(&o, "dialog");
	put(&o, "id", c->id);
	put(&o, "session", c->session_id);
	put(&o, "direction", c->direction);
	put(&o, "from", c->from);
	put(&o, "to", c->to);
	put(&o, "account", c->account);
	put(&o, "sub_account", c->sub_account);
	put(&o, "rc_account", c->rc_account);
	put(&o, "agent", c->agent);
	put(&o, "product", c->product);
	put(&o, "language", c->language);
	json_end(&o);
	json_end(&o);
	return arena_copy(a, buf_span(&b));
}

int ringcx_describe(const struct ringcx_call *c, const struct ringcx_names *n, struct arena *a,
		    struct media_start *start, struct fault *f)
{
	struct span other = n->call_id.n ? n->call_id : n->telephony_id;

	TRY(media_json_bounded(c->id, "the call's id", f));
	TRY(media_json_bounded(n->token, "callmend_token", f));
	TRY(media_json_bounded(other, "the attribute that names the call", f));
	start->token = n->token;
	start->call_id = other.n ? other : c->id;
	start->own_id = other.n ? c->id : (struct span){ 0 };
	start->account_id = c->rc_account.n ? c->rc_account : c->account;
	start->from = c->from;
	start->to = c->to;
	if (c->id.n)
		start->message = message_of(c, a);
	return 0;
}
