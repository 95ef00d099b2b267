/* A project on a real PostgreSQL, analyses of calls as an analyst stores them, and the jobs run by
 * hand. */
#ifndef CALLMEND_TESTS_HEALING_HEAL_KIT_H
#define CALLMEND_TESTS_HEALING_HEAL_KIT_H

#include "../store/store_fixture.h"

#include "callmend/job.h"

/* Set-up and tear-down of one test: a fresh project with instructions that follow every best
 * practice, the required field "email", and the tool "book". */
int kit_begin(void **state);
int kit_end(void **state);
extern char kit_project[40];

/* What a call shows. */
struct shown {
	bool failed, unknown; /* else it succeeded */
	const char *cause;    /* cause_class of a failure; NULL: instructions */
	bool ineligible;
	const char *point; /* key of the failure point; NULL: "end" */
	const char *email; /* state of the field; NULL: captured */
	const char *tool;  /* trouble of tool book: "error", "empty"; NULL: it worked */
	bool no_tool;	   /* it was not used */
	bool frustrated;
	const char *question; /* key of one left open */
};
/* n more calls, a second apart, of the version in force, by `callers` callers in turn. */
void kit_calls(unsigned n, unsigned callers, struct shown);
/* Puts a job, claims it and runs it. */
void kit_detect(void);
void kit_suggest(const char *key);
/* All suggest jobs that are due. */
void kit_suggest_all(void);
/* A new version of the instructions in force: sections as JSON. */
void kit_instructions(const char *sections);
/* The open issue of this cause: its id; "" when there is none. */
const char *kit_issue(const char *cause, const char *subject);
/* How many quotes the issue of this cause has; each must be whole (call, event, second, speaker,
 * words) and be found in the analysis of its call. */
unsigned kit_quotes(const char *cause, const char *subject);
/* Of the last check: a member of a cause. */
const char *kit_detection(const char *cause, const char *subject, const char *member);
/* A suggestion accepted: a version with its changes is in force. */
void kit_accept(const char *suggestion);
void kit_reject(const char *suggestion);

#define assert_open(cause, subject) assert_string_not_equal(kit_issue(cause, subject), "")
#define assert_not_open(cause, subject) assert_string_equal(kit_issue(cause, subject), "")

#endif
