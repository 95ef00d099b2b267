#include "api/auth.h"

#include <stdio.h>
#include <strings.h>

#include "base/clock.h"

struct span auth_bearer(struct span authorization)
{
	static const char scheme[] = "bearer ";
	size_t n = sizeof(scheme) - 1;
	if (authorization.n <= n || strncasecmp(authorization.p, scheme, n) != 0)
		return (struct span){ 0 };
	return span_from(authorization, n);
}

/* The next item of a comma list, without the blanks around it. */
static struct span next_item(struct span *list)
{
	const char *comma = memchr(list->p, ',', list->n);
	struct span item = { list->p, comma ? (size_t)(comma - list->p) : list->n };
	*list = span_from(*list, item.n + 1);
	while (item.n && item.p[0] == ' ')
		item = span_from(item, 1);
	while (item.n && item.p[item.n - 1] == ' ')
		item.n--;
	return item;
}

struct span auth_subprotocol(struct span list)
{
	while (list.n) {
		struct span item = next_item(&list);
		if (span_starts(item, SPAN("bearer.")))
			return span_from(item, strlen("bearer."));
	}
	return (struct span){ 0 };
}

bool auth_identify(const struct directory *d, struct span token, int64_t now_us, struct caller *out,
		   struct problem *p)
{
	if (token.n == 0)
		return problem(p, PROBLEM_UNAUTHORIZED,
			       "send the header Authorization: Bearer <token>");
	const struct dir_token *t = d ? directory_token(d, token, now_us) : NULL;
	if (!t)
		return problem(p, PROBLEM_UNAUTHORIZED, "the token is unknown, revoked or expired");
	*out = (struct caller){ .org = t->org, .token = t->id, .role = t->role };
	snprintf(out->name, sizeof(out->name), "%.*s", SPAN_ARG(t->name));
	snprintf(out->actor, sizeof(out->actor), "token:%s", out->name);
	return true;
}

static int rank(enum role role)
{
	static const int ranks[] = {
#define X(name, text, rank, doc) [ROLE_##name] = rank,
		ROLES(X)
#undef X
	};
	return ranks[role];
}

bool auth_role(const struct caller *c, enum role least, struct problem *p)
{
	if (rank(c->role) >= rank(least))
		return true;
	return problem(p, PROBLEM_FORBIDDEN, "this needs the role %s; the token \"%s\" has %s",
		       role_name(least), c->name, role_name(c->role));
}

bool auth_still_valid(const struct directory *d, const struct caller *c, int64_t now_us)
{
	for (size_t i = 0; d && i < d->tokens_n; i++) {
		const struct dir_token *t = &d->tokens[i];
		if (uuid_eq(&t->id, &c->token))
			return t->role == c->role && (!t->expires_us || t->expires_us > now_us);
	}
	return false;
}

void auth_rate_init(struct auth_rate *r, unsigned per_second, unsigned burst)
{
	*r = (struct auth_rate){ 0 };
	if (per_second == 0)
		return;
	r->interval_us = SECOND_US / per_second;
	r->burst_us = r->interval_us * (burst ? burst : 1);
}

bool auth_rate_take(struct auth_rate *r, const struct caller *c, int64_t now_us, struct problem *p)
{
	if (r->interval_us == 0)
		return true;
	_Atomic int64_t *slot = &r->slots[uuid_hash(&c->token) % AUTH_RATE_SLOTS];
	int64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
	for (;;) {
		int64_t full = (seen > now_us ? seen : now_us) + r->interval_us;
		if (full - now_us > r->burst_us)
			break;
		if (atomic_compare_exchange_weak_explicit(slot, &seen, full, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
	problem(p, PROBLEM_RATE_LIMITED, "at most %lld requests a second",
		(long long)(SECOND_US / r->interval_us));
	p->retry_after_s = 1;
	return false;
}
