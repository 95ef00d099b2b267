/* Finished calls for tests, written as a script:
 *
 *	a Hello, how can I help?          a turn of the assistant
 *	u A table please                  a turn of the caller
 *	t book ok {"guests": 4}           a tool call that succeeded, with its arguments
 *	t book fail timed out             one that failed: the error
 *	t search empty {"query": "tofu"}  one that found nothing
 *	t book unknown                    nobody knows
 *	s frustration 80                  a signal raised over the turn before it
 *
 * The line number is the sequence times 10 and the second of the call. */
#ifndef CALLMEND_TESTS_FINISHED_KIT_H
#define CALLMEND_TESTS_FINISHED_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/understand.h"

struct script {
	const char *lines;
	const char *ended;   /* "class reason"; default "customer customer-ended-call" */
	const char *call;    /* more members of "call", each with a comma before it */
	const char *project; /* members of "project", likewise; default language en */
	const char *more;    /* members at the top, likewise */
};

/* The input as JSON text. */
const char *finished_text(const struct script *);
/* Understands it; fails the test when it cannot. */
void finished_run(const struct script *);
/* The code; the words of the fault are finished_why. */
int finished_try(const char *json);
extern struct fault finished_why;
/* What the output holds at "outcome.by", "tags.0.tag"; texts without quotes, "-" when absent. */
const char *finished_at(const char *path);
/* "0.85" or "-": the confidence of a tag. */
const char *finished_tag(const char *category, const char *tag);
/* The passage of a tag, "-" when absent. */
const char *finished_tag_passage(const char *category, const char *tag);
const char *finished_output(void);

/* Group tear-down. */
int finished_forget(void **state);

#define expect(path, text) assert_string_equal(finished_at(path), text)

#endif
