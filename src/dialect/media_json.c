#include "dialect/media_json.h"

#include "base/crypto.h"

int media_json(struct span text, const char *kind, struct arena *a, struct json *message,
	       struct span *of_kind, struct fault *f)
{
	TRY(json_check(text, f));
	*message = json_of(text);
	struct json of = json_get(*message, kind);
	if (message->kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a message must be an object");
	if (of.kind != JSON_STRING)
		return fault(f, E_INVALID, "%s: must be a text", kind);
	*of_kind = json_text(of, a);
	return 0;
}

int media_json_bounded(struct span text, const char *path, struct fault *f)
{
	return text.n <= MEDIA_ID_MAX
		       ? 0
		       : fault(f, E_INVALID, "%s: longer than %d bytes", path, MEDIA_ID_MAX);
}

struct json_out media_json_begin(struct media_out *out)
{
	struct json_out o = { .b = out->b };
	out->binary = false;
	json_begin(&o, NULL);
	return o;
}

void media_json_put_base64(struct json_out *o, const char *key, struct span bytes)
{
	json_put_z(o, key, "");
	o->b->n--; /* the quote comes behind the digits */
	crypto_base64(bytes, o->b);
	buf_addc(o->b, '"');
}
