#include "connect/oauth.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"

/* --- what is asked --- */

void oauth_put_jwt(struct buf *body, struct span jwt)
{
	buf_addz(body, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
		       "&assertion=");
	buf_add_percent(body, span_trim(jwt), BUF_IN_VALUE);
}

void oauth_put_refresh(struct buf *body, struct span refresh_token)
{
	buf_addz(body, "grant_type=refresh_token&refresh_token=");
	buf_add_percent(body, refresh_token, BUF_IN_VALUE);
}

void oauth_put_basic(struct buf *header, struct span client_id, struct span client_secret)
{
	struct buf pair AUTO_BUF = { 0 };

	buf_add(&pair, client_id);
	buf_addc(&pair, ':');
	buf_add(&pair, span_trim(client_secret));
	buf_addz(header, "Basic ");
	crypto_base64(buf_span(&pair), header);
}

void oauth_put_exchange(struct buf *body, struct span access_token)
{
	buf_addz(body, "rcTokenType=Bearer&rcAccessToken=");
	buf_add_percent(body, access_token, BUF_IN_VALUE);
}

/* --- what is answered --- */

static struct span first_text(struct json object, const char *const *names, struct arena *a)
{
	struct span text = { 0 };

	for (; *names && !text.n; names++)
		text = json_text(json_get(object, *names), a);
	return text;
}

static int64_t seconds(struct json object, const char *name, int64_t dflt)
{
	int64_t s;

	return json_i64(json_get(object, name), &s) && s > 0 && s <= OAUTH_LIVES_MAX_S ? s : dflt;
}

static int read_object(struct span body, struct json *out, struct fault *f)
{
	TRY(json_check(body, f));
	*out = json_of(body);
	return out->kind == JSON_OBJECT ? 0 : fault(f, E_INVALID, "the answer is no object");
}

int oauth_read(struct span body, struct arena *a, struct oauth_token *out, struct fault *f)
{
	static const char *const access[] = { "access_token", "accessToken", NULL };
	static const char *const refresh[] = { "refresh_token", "refreshToken", NULL };
	struct json o;

	TRY(read_object(body, &o, f));
	*out = (struct oauth_token){ .access = first_text(o, access, a),
				     .refresh = first_text(o, refresh, a) };
	bool cx = json_has(json_get(o, "accessToken"));
	out->lives_s = seconds(o, "expires_in", cx ? OAUTH_CX_LIVES_S : OAUTH_LIVES_S);
	out->refresh_lives_s = seconds(o, "refresh_token_expires_in", out->lives_s);
	return out->access.n ? 0 : fault(f, E_INVALID, "the answer has no access token");
}

int64_t oauth_ahead_s(int64_t lives_s)
{
	int64_t ahead = lives_s / 5;

	return ahead < OAUTH_AHEAD_MAX_S ? ahead : OAUTH_AHEAD_MAX_S;
}

int oauth_read_ws(struct span body, struct arena *a, struct oauth_ws *out, struct fault *f)
{
	struct json o;

	TRY(read_object(body, &o, f));
	out->access = json_text(json_get(o, "ws_access_token"), a);
	out->uri = json_text(json_get(o, "uri"), a);
	return out->access.n ? 0 : fault(f, E_INVALID, "the answer has no ws_access_token");
}

/* --- what went wrong --- */

static void put_printable(char *out, size_t size, struct span text)
{
	size_t n = text.n < size - 1 ? text.n : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text.p[i] >= ' ' && (unsigned char)text.p[i] < 127
				 ? text.p[i]
				 : ' ';
	out[n] = 0;
}

static void put_both(struct platform_error *e, struct span code, struct span text)
{
	char words[120];

	put_printable(e->code, sizeof(e->code), code);
	put_printable(words, sizeof(words), text);
	snprintf(e->text, sizeof(e->text), "%s%s%.110s", e->code, *e->code && *words ? ": " : "",
		 words);
}

void platform_error_read(struct span body, struct platform_error *e)
{
	static const char *const codes[] = { "errorCode", "error", NULL };
	static const char *const texts[] = { "message", "error_description", "generalMessage",
					     "details", NULL };
	struct arena a = { 0 };

	memset(e, 0, sizeof(*e));
	if (json_check(body, NULL)) {
		put_both(e, (struct span){ 0 }, span_trim(body));
		return;
	}
	struct json whole = json_of(body), one = json_first(json_get(whole, "errors"));
	struct span code = first_text(one, codes, &a), text = first_text(one, texts, &a);
	put_both(e, code.n ? code : first_text(whole, codes, &a),
		 text.n ? text : first_text(whole, texts, &a));
	arena_fini(&a);
}

/* --- whom a token may be given to --- */

struct span oauth_origin(struct span url)
{
	const char *host = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
	size_t n = host ? (size_t)(host - url.p) + 3 : 0;

	while (n && n < url.n && !memchr("/?#", url.p[n], 3))
		n++;
	return (struct span){ url.p, n };
}

bool oauth_is_plain(struct span origin)
{
	return origin.n && !memchr(origin.p, '@', origin.n) && !memchr(origin.p, '\\', origin.n);
}

bool oauth_may_carry(struct span base, struct span url)
{
	static const char domain[] = ".ringcentral.com";
	const size_t n = sizeof(domain) - 1;
	struct span origin = oauth_origin(url);

	if (!oauth_is_plain(origin))
		return false;
	if (span_eq(origin, oauth_origin(base)))
		return true;
	return span_starts(origin, SPAN("https://")) && origin.n > n &&
	       memcmp(origin.p + origin.n - n, domain, n) == 0;
}
