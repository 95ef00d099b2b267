#include <stdlib.h>

#include "base/config_internal.h"
#include "base/file.h"

enum { SECRET_LIMIT = 64 << 10 };

static const char api_prefix[] = "CALLMEND_SECRET_";

int config_secret_from_json(struct json v, struct arena *a, struct secret_ref *out, struct fault *f)
{
	struct json env = json_get(v, "env"), file = json_get(v, "file");
	bool in_env = env.kind == JSON_STRING;
	struct json name = in_env ? env : file;
	struct span text = json_text(name, a);
	if (json_count(v) != 1 || text.n == 0 || memchr(text.p, '\0', text.n))
		return fault(f, E_INVALID,
			     "a secret is given as {\"env\": \"NAME\"} or {\"file\": \"name\"}");
	out->place = in_env ? SECRET_IN_ENV : SECRET_IN_FILE;
	out->name = arena_copy(a, text).p;
	return 0;
}

/* Letters, digits, '.', '_', '-', but no leading dot: neither a way out of the folder nor a hidden
 * file. */
static bool is_plain_file(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	return *name && *name != '.' && strspn(name, allowed) == strlen(name);
}

int config_secret_allowed(struct secret_ref ref, enum secret_policy policy, struct fault *f)
{
	if (policy == SECRET_BY_OPERATOR || ref.place == SECRET_ABSENT)
		return 0;
	if (ref.place == SECRET_IN_ENV) {
		bool ok = strncmp(ref.name, api_prefix, sizeof(api_prefix) - 1) == 0 &&
			  config_is_env_name(ref.name);
		return ok ? 0
			  : fault(f, E_DENIED, "the variable of a secret must start with %s",
				  api_prefix);
	}
	return is_plain_file(ref.name)
		       ? 0
		       : fault(f, E_DENIED,
			       "the file of a secret must be a plain name without folders");
}

static int from_env(struct secret_ref ref, struct buf *out, struct fault *f)
{
	const char *value = getenv(ref.name);
	if (!value)
		return fault(f, E_NOT_FOUND, "the variable %s is not set", ref.name);
	buf_addz(out, value);
	return 0;
}

static int from_file(const char *path, struct buf *out, struct fault *f)
{
	size_t start = out->n;
	TRY(file_read(path, SECRET_LIMIT, out, f));
	if (out->n > start && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n > start && out->p[out->n - 1] == '\r')
		out->n--;
	return 0;
}

static int fetch(struct secret_ref ref, enum secret_policy policy, const char *secrets_dir,
		 struct buf *out, struct fault *f)
{
	if (ref.place == SECRET_IN_ENV)
		return from_env(ref, out, f);
	if (policy == SECRET_BY_OPERATOR)
		return from_file(ref.name, out, f);
	struct buf path AUTO_BUF = { 0 };
	buf_printf(&path, "%s/%s", secrets_dir, ref.name);
	return from_file(buf_z(&path), out, f);
}

int config_secret_resolve(struct secret_ref ref, enum secret_policy policy, const char *secrets_dir,
			  struct buf *out, struct fault *f)
{
	size_t start = out->n;
	if (ref.place == SECRET_ABSENT)
		return fault(f, E_NOT_FOUND, "no secret is configured");
	TRY(config_secret_allowed(ref, policy, f));
	TRY(fetch(ref, policy, secrets_dir, out, f));
	if (out->n == start)
		return fault(f, E_INVALID, "the secret %s is empty", ref.name);
	return 0;
}

int config_secret_read(struct json ref, const char *secrets_dir, struct buf *out, struct fault *f)
{
	struct arena a = { 0 };
	struct secret_ref where = { 0 };
	int rc = config_secret_from_json(ref, &a, &where, f);
	if (rc == 0)
		rc = config_secret_resolve(where, SECRET_BY_API, secrets_dir, out, f);
	arena_fini(&a);
	return rc;
}
