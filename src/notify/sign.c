#include "notify/sign.h"

#include "base/crypto.h"

int sign_key(struct span secret, struct buf *key, struct fault *f)
{
	struct span prefix = SPAN("whsec_");
	size_t before = key->n;

	if (!span_starts(secret, prefix))
		return fault(f, E_INVALID, "the signing secret does not begin with whsec_");
	if (crypto_unbase64(span_from(secret, prefix.n), key))
		return fault(f, E_INVALID, "the signing secret is no base64 behind whsec_");
	if (key->n - before >= SIGN_KEY_LEAST && key->n - before <= SIGN_KEY_MOST)
		return 0;
	return fault(f, E_INVALID, "the signing secret has %zu bytes, not %d to %d",
		     key->n - before, SIGN_KEY_LEAST, SIGN_KEY_MOST);
}

void sign_add(struct span key, struct span id, int64_t timestamp_s, struct span body,
	      struct buf *out)
{
	struct buf signed_text AUTO_BUF = { 0 };
	uint8_t mac[MAC_MAX];

	buf_printf(&signed_text, "%.*s.%lld.", SPAN_ARG(id), (long long)timestamp_s);
	buf_add(&signed_text, body);
	size_t n = crypto_hmac(DIGEST_SHA256, key, buf_span(&signed_text), mac);
	buf_addz(out, out->n ? " v1," : "v1,");
	crypto_base64((struct span){ (const char *)mac, n }, out);
}
