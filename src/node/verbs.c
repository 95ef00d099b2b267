#include "node/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/token.h"
#include "callmend/directory.h"
#include "callmend/store.h"
#include "ingest/ingest.h"
#include "net/client.h"
#include "net/grpc.h"
#include "node/database.h"

/* The organisation that migration 0001 makes; another one is made by SQL for now, its tokens by
 * API. */
#define DEFAULT_ORG "00000000-0000-7000-8000-000000000001"

static int fail(const char *what, const struct fault *f)
{
	fprintf(stderr, "callmend: %s: %s\n", what, f->text);
	return 1;
}

/* --- check --- */

static void print_warning(struct json w)
{
	struct arena a = { 0 };
	struct span source = json_text(json_get(w, "source"), &a),
		    text = json_text(json_get(w, "warning"), &a);
	struct span advice = json_text(json_get(w, "advice"), &a),
		    seen = json_text(json_get(w, "seen"), &a);

	printf("warning: source %.*s: %.*s\n", SPAN_ARG(source), SPAN_ARG(text));
	if (advice.n)
		printf("         %.*s\n", SPAN_ARG(advice));
	if (seen.n)
		printf("         last seen %.*s\n", SPAN_ARG(seen));
	arena_fini(&a);
}

static int check_database(const struct verb_call *v)
{
	struct buf url AUTO_BUF = { 0 }, answer AUTO_BUF = { 0 };
	struct json_iter it;
	struct span key;
	struct json w;
	struct fault f = { 0 };

	if (database_url(v->config, &url, &f) ||
	    store_query_once(buf_z(&url), "check_sources", NULL, 0, &answer, &f)) {
		printf("database: not asked (%s)\n", f.text);
		return 0;
	}
	it = json_iter(json_get(json_of(buf_span(&answer)), "warnings"));
	while (json_next(&it, &key, &w))
		print_warning(w);
	printf("database: asked\n");
	return 0;
}

int verb_check(const struct verb_call *v)
{
	struct buf text AUTO_BUF = { 0 };
	struct fault f = { 0 };

	config_write_mistakes(v->config, &text);
	if (v->config->mistakes_n) {
		fputs(buf_z(&text), stderr);
		fprintf(stderr, "%zu mistake%s\n", v->config->mistakes_n,
			v->config->mistakes_n == 1 ? "" : "s");
		return 1;
	}
	if (http_client_check_ca(v->config->tls_ca_file, &f))
		return fail("check: tls.ca_file", &f);
	if (grpc_check_certificate(v->config->grpc_certificate_file, v->config->grpc_key_file, &f))
		return fail("check: grpc.certificate_file", &f);
	printf("configuration: %s is good\n",
	       v->config_file ? v->config_file : "(defaults and environment)");
	return check_database(v);
}

/* --- migrate --- */

const struct verb_option migrate_options[] = {
	{ "--wait", NULL,
	  "wait for a database that does not answer yet; report in the log, not on stdout" },
	{ 0 },
};

enum { MIGRATE_PAUSE_S = 1 };

/* Also over when whoever started it is gone. */
static int migrate_patiently(const char *url, unsigned *applied, struct fault *f)
{
	pid_t starter = getppid();
	bool said = false;
	int rc;

	while ((rc = store_migrate(url, applied, f)) == E_UNAVAILABLE && getppid() == starter) {
		if (!said)
			log_warn("migrate", "waiting for the database: %s", f->text);
		said = true;
		sleep(MIGRATE_PAUSE_S);
	}
	return rc;
}

static int migrate_for_service(const char *url)
{
	unsigned applied = 0;
	struct fault f = { 0 };

	log_thread("migrate");
	if (migrate_patiently(url, &applied, &f)) {
		log_error("migrate", "database schema: %s", f.text);
		return EXIT_FAILED;
	}
	log_info("migrate", "the database schema is up to date");
	return EXIT_DONE;
}

int verb_migrate(const struct verb_call *v)
{
	struct buf url AUTO_BUF = { 0 };
	unsigned applied = 0;
	struct fault f = { 0 };

	if (database_url(v->config, &url, &f))
		return fail("migrate", &f);
	if (verb_option(v, "--wait"))
		return migrate_for_service(buf_z(&url));
	if (store_migrate(buf_z(&url), &applied, &f))
		return fail("migrate", &f);
	if (v->json)
		printf("{\"applied\":%u}\n", applied);
	else
		printf("%u migration%s applied\n", applied, applied == 1 ? "" : "s");
	return 0;
}

/* --- token --- */

const struct verb_option token_options[] = {
	{ "--role", "ROLE", "viewer (default), supervisor, manager or admin" },
	{ 0 },
};

int verb_token(const struct verb_call *v)
{
	struct buf url AUTO_BUF = { 0 }, token AUTO_BUF = { 0 }, hash AUTO_BUF = { 0 },
		       answer AUTO_BUF = { 0 };
	const char *role = verb_option(v, "--role") ? verb_option(v, "--role") : "viewer";
	enum role known;
	struct fault f = { 0 };

	if (strcmp(v->words[0], "create") != 0)
		return verb_misused(v, "do not understand `%s`: there is only create", v->words[0]);
	if (!role_from(span_of(role), &known))
		return verb_misused(v, "no role `%s`; there are viewer, supervisor, manager, admin",
				    role);
	token_make(&token, &hash);
	const char *params[] = { DEFAULT_ORG, "cli", v->words[1], role, buf_z(&hash), NULL, NULL };
	if (database_url(v->config, &url, &f) ||
	    store_query_once(buf_z(&url), "api_tokens_create", params, 7, &answer, &f))
		return fail("token", &f);
	if (v->json)
		printf("{\"name\":\"%s\",\"role\":\"%s\",\"token\":\"%s\"}\n", v->words[1], role,
		       buf_z(&token));
	else
		printf("%s\n", buf_z(&token));
	return 0;
}

/* --- replay --- */

const struct verb_option replay_options[] = {
	{ "--call", "ID", "only this call (Callmend's id)" },
	{ 0 },
};

static void print_event(void *user, struct span json)
{
	(void)user;
	fwrite(json.p, 1, json.n, stdout);
	putchar('\n');
}

int verb_replay(const struct verb_call *v)
{
	struct buf dir AUTO_BUF = { 0 };
	struct uuid call;
	const char *only = verb_option(v, "--call");
	struct fault f = { 0 };

	if (only && uuid_parse(&call, span_of(only)))
		return verb_misused(v, "--call takes Callmend's id of a call (a UUID)");
	if (v->words_n)
		buf_addz(&dir, v->words[0]);
	else
		buf_printf(&dir, "%s/journal", v->config->state_dir);
	if (replay_journal(buf_z(&dir), only ? &call : NULL, print_event, NULL, &f))
		return fail("replay", &f);
	return 0;
}
