#include "net/provider_status.h"

#include <stddef.h>

/* The first that fits. */
static const struct {
	int least, most, code;
	const char *text;
} meanings[] = {
	{ 200, 299, 0, "" },
	{ 401, 401, E_DENIED, "the key was refused" },
	{ 402, 402, E_DENIED, "the account is without credit" },
	{ 403, 403, E_DENIED, "the key was refused" },
	{ 404, 404, E_DENIED, "no such address or model" },
	{ 408, 408, E_TIMEOUT, "the server timed out" },
	{ 413, 413, E_TOO_LARGE, "the request is too long" },
	{ 425, 425, E_UNAVAILABLE, "too early for the server" },
	{ 429, 429, E_FULL, "too many requests" },
	{ 400, 499, E_INVALID, "the request was refused" },
	{ 500, 599, E_UNAVAILABLE, "the server is in trouble" },
};
enum { MEANINGS = sizeof(meanings) / sizeof(meanings[0]) };

int provider_status(int status, struct fault *f)
{
	for (size_t i = 0; i < MEANINGS; i++) {
		if (status < meanings[i].least || status > meanings[i].most)
			continue;
		return meanings[i].code
			       ? fault(f, meanings[i].code, "%s (%d)", meanings[i].text, status)
			       : 0;
	}
	return fault(f, E_UNAVAILABLE, "an answer that is not understood (%d)", status);
}

bool provider_status_lasts(int code)
{
	return code == E_DENIED || code == E_INVALID || code == E_TOO_LARGE;
}
