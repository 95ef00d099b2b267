/* Search terms (B3): the program and the database make the same of every text, whatever the locale
 * of the database; mappings are found by them. */
#include "store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "callmend/mapping.h"
#include "tests/unit/random.h"

enum { BATCH = 64, ROUNDS = 60, LONGEST = 260 };

static PGconn *database, *other_locale;

static int begin(void **state)
{
	struct fault f = { 0 };
	if (fixture_start_migrated(state))
		return -1;
	database = PQconnectdb(fixture_url());
	sql("create database plain template template0 encoding 'UTF8' locale 'C'");
	char url[300];
	const char *base = fixture_url(), *cut = strstr(base, " dbname=");
	snprintf(url, sizeof(url), "%.*s dbname=plain", (int)(cut - base), base);
	if (store_migrate(url, NULL, &f))
		return -1;
	other_locale = PQconnectdb(url);
	return PQstatus(database) == CONNECTION_OK && PQstatus(other_locale) == CONNECTION_OK ? 0
											      : -1;
}

static int end(void **state)
{
	PQfinish(database);
	PQfinish(other_locale);
	return fixture_stop(state);
}

/* callmend_term() of each; the caller clears it. */
static PGresult *terms_of(PGconn *conn, struct buf *texts, size_t n)
{
	struct buf array AUTO_BUF = { 0 };
	struct json_out o = { .b = &array };
	json_begin_array(&o, NULL);
	for (size_t i = 0; i < n; i++)
		json_put_text(&o, NULL, buf_span(&texts[i]));
	json_end_array(&o);
	const char *params[] = { buf_z(&array) };
	PGresult *result =
		PQexecParams(conn,
			     "select callmend_term(t) from jsonb_array_elements_text($1::jsonb)"
			     " with ordinality as x(t, n) order by n",
			     1, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s", PQerrorMessage(conn));
	assert_int_equal(PQntuples(result), n);
	return result;
}

static void compare(PGconn *conn, struct buf *texts, size_t n)
{
	PGresult *result = terms_of(conn, texts, n);
	for (size_t i = 0; i < n; i++) {
		struct buf ours AUTO_BUF = { 0 };
		mapping_term(buf_span(&texts[i]), &ours);
		if (strcmp(buf_z(&ours), PQgetvalue(result, (int)i, 0)) != 0)
			fail_msg("\"%s\": \"%s\" here, \"%s\" there", buf_z(&texts[i]),
				 buf_z(&ours), PQgetvalue(result, (int)i, 0));
	}
	PQclear(result);
}

static void compare_in_both(struct buf *texts, size_t n)
{
	compare(database, texts, n);
	compare(other_locale, texts, n);
	for (size_t i = 0; i < n; i++)
		buf_free(&texts[i]);
}

/* Every character by itself between two letters. */
static void every_character_is_the_same(void **state)
{
	(void)state;
	struct buf texts[BATCH] = { 0 };
	size_t n = 0;
	for (uint32_t c = 1; c < 0x11000; c++) {
		char one[4];
		if (c >= 0xd800 && c < 0xe000)
			continue;
		buf_addc(&texts[n], 'a');
		buf_add(&texts[n], (struct span){ one, utf8_put(one, c) });
		buf_addc(&texts[n++], 'b');
		if (n == BATCH || c == 0x10fff) {
			compare_in_both(texts, n);
			n = 0;
		}
	}
}

static uint64_t seed = 88172645463325252U;

static uint32_t any(uint32_t below)
{
	return (uint32_t)(random_next(&seed) % below);
}

/* Short and long ones around the limit of 200 characters, with many separators. */
static void random_texts_are_the_same(void **state)
{
	static const uint32_t up_to[] = { 0x80, 0x80, 0x180, 0x460, 0x2100, 0x3100 };
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct buf texts[BATCH] = { 0 };
		for (size_t i = 0; i < BATCH; i++) {
			uint32_t length = any(4) ? any(12) : LONGEST - any(120);
			for (uint32_t k = 0; k < length; k++) {
				char one[4];
				uint32_t c = any(3) ? any(up_to[any(6)]) : any(2) ? ' ' : 'X';
				buf_add(&texts[i],
					(struct span){ one, utf8_put(one, c ? c : 'q') });
			}
		}
		compare_in_both(texts, BATCH);
	}
}

static void terms_look_as_described(void **state)
{
	(void)state;
	static const struct {
		const char *said, *term;
	} cases[] = {
		{ "", "" },
		{ " \t\n", "" },
		{ "?!", "" },
		{ "Ramen", "ramen" },
		{ "  Noodle--Soup! ", "noodle soup" },
		{ "CAFÉ crème", "café crème" },
		{ "ΣΟΎΠΑ", "σοΎπα" }, /* accented Greek capitals are left: so is it there */
		{ "БОРЩ", "борщ" },
		{ "ŁÓDŹ", "łódź" },
		{ "3×2", "3 2" },
		{ "50€ bowl", "50 bowl" },
		{ "a\xff"
		  "b",
		  "a b" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf term AUTO_BUF = { 0 };
		mapping_term(span_of(cases[i].said), &term);
		assert_string_equal(buf_z(&term), cases[i].term);
	}
}

static void mappings_are_found_by_any_spelling(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	struct directory *d;
	buf_addz(&b,
		 "{\"version\":1,\"tokens\":[],\"sources\":[],\"projects\":[{\"id\":\"" DEFAULT_ORG
		 "\",\"org_id\":\"" DEFAULT_ORG "\",\"name\":\"p\",\"mappings\":[");
	for (int i = 999; i >= 0; i--)
		buf_printf(&b,
			   "%s{\"id\":\"00000000-0000-7000-8000-%012d\",\"term\":\"dish %d\","
			   "\"mapped\":\"number %d\"}",
			   i == 999 ? "" : ",", i, i, i);
	buf_addz(&b, ",{\"id\":\"no id\",\"term\":\"x\",\"mapped\":\"y\"},{\"id\":\"" DEFAULT_ORG
		     "\",\"term\":\"\",\"mapped\":\"y\"}]}]}");
	assert_ok(directory_new(&d, buf_span(&b), NULL, &oops));
	assert_int_equal(d->projects[0].mappings_n, 1000);
	for (int i = 0; i < 1000; i++) {
		char said[32], mapped[32];
		snprintf(said, sizeof(said), " DISH, %d!", i);
		snprintf(mapped, sizeof(mapped), "number %d", i);
		const struct dir_mapping *m = mapping_find(&d->projects[0], span_of(said));
		assert_non_null(m);
		assert_true(span_is(m->mapped, mapped));
	}
	assert_null(mapping_find(&d->projects[0], SPAN("dish")));
	assert_null(mapping_find(&d->projects[0], SPAN("dish 1000")));
	assert_null(mapping_find(&d->projects[0], SPAN("")));
	assert_null(mapping_find(&(struct dir_project){ 0 }, SPAN("dish 1")));
	directory_unref(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_look_as_described),
		cmocka_unit_test(every_character_is_the_same),
		cmocka_unit_test(random_texts_are_the_same),
		cmocka_unit_test(mappings_are_found_by_any_spelling),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
