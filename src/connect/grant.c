#include "connect/grant.h"

#include "connect/oauth.h"

#define PLATFORM "https://platform.ringcentral.com"
#define GATEWAY "wss://ws-api.ringcentral.com/ws"
#define RINGCX "https://ringcx.ringcentral.com"
#define VAPI "https://api.vapi.ai" /* the default of sources.api_base */

static struct span without_slash(struct span url)
{
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	return url;
}

static struct span either(struct span url, struct span usual)
{
	url = without_slash(url);
	return url.n && !span_is(url, VAPI) ? url : usual;
}

static bool is_cx(const struct dir_source *source)
{
	return span_is(source->dialect, "ringcx");
}

void grant_hosts_of(const struct dir_source *source, struct grant_hosts *out)
{
	bool cx = is_cx(source);

	out->base = either(source->api_base, cx ? SPAN(RINGCX) : SPAN(PLATFORM));
	out->platform = cx ? either(source->connect.platform, SPAN(PLATFORM)) : out->base;
}

struct span grant_gateway(const struct grant_hosts *hosts)
{
	return span_is(hosts->platform, PLATFORM) ? SPAN(GATEWAY) : (struct span){ 0 };
}

enum grant grant_next(const struct grant_have *have)
{
	if (have->cx ? have->exchanged : have->own)
		return GRANT_NONE;
	if (have->own)
		return GRANT_EXCHANGE;
	return have->refresh ? GRANT_REFRESH : GRANT_JWT;
}

static void write_own(enum grant what, const struct dir_source *source, struct span token,
		      struct buf *authorization, struct buf *body)
{
	const struct dir_connect *c = &source->connect;

	oauth_put_basic(authorization, c->client_id, c->client_secret.value);
	if (what == GRANT_REFRESH)
		oauth_put_refresh(body, token);
	else
		oauth_put_jwt(body, c->jwt.value);
}

void grant_write(enum grant what, const struct dir_source *source, struct span token,
		 struct buf *url, struct buf *authorization, struct buf *body)
{
	struct grant_hosts hosts;

	grant_hosts_of(source, &hosts);
	buf_add(url, what == GRANT_EXCHANGE ? hosts.base : hosts.platform);
	if (what != GRANT_EXCHANGE) {
		buf_addz(url, "/restapi/oauth/token");
		write_own(what, source, token, authorization, body);
		return;
	}
	buf_addz(url, "/api/auth/login/rc/accesstoken?includeRefresh=true");
	buf_addz(authorization, "Bearer ");
	buf_add(authorization, token);
	oauth_put_exchange(body, token);
}

bool grant_gives_way(enum grant what, int status)
{
	return what == GRANT_REFRESH && status >= 400 && status <= 499 && status != 408 &&
	       status != 429;
}
