/* The second implementation of call_host (DESIGN §3): a call in virtual time, driven by text.
 *
 * Bodies are written with ' for " and ` for ': sim_webhook(&sim,
 * "{'t':'transcript','s':'user','final':true,'text':'hello'}"). Members of an input: t (type), s
 * (ai user), name, id, text, reason, final, here (answer_here), beside, report (from_report), turn,
 * key, at and end (ms after the start of the simulation; absent: no provider time), data, facts
 * {..}, result {reason,start,end,cost,summary,ok,data}, party
 * {id,seq,side,state,reason,number,ends,to}.
 */
#ifndef CALLMEND_TESTS_SIM_H
#define CALLMEND_TESTS_SIM_H

#include "call/session.h"
#include "tests/unit/cmocka_all.h"

#define SIM_START_US INT64_C(1790000000000000)

struct sim_record {
	struct record r;
	char *body;
};

struct sim_effect {
	enum effect_kind kind;
	struct uuid id, command;
	char what[96]; /* tool name, or verb */
	int64_t timeout_ms;
};

struct sim {
	struct session *s;
	struct uuid call;
	int64_t now_us;
	uint64_t next; /* record number */
	struct sim_record *records;
	size_t n, cap;
	struct buf events;   /* event_write, one per line */
	struct buf answers;  /* "<record> <body>\n" */
	struct buf commands; /* "<state>\n" per command_changed */
	struct sim_effect *effects;
	size_t effects_n;
	struct fault fault; /* of the last refused record */
	int key;	    /* of the next sim_said() */
};

/* settings: members besides source and project, as JSON with ' for "; may be "". Without a dialect
 * it is "sim". */
void sim_init(struct sim *, const char *settings);
void sim_fini(struct sim *);
/* The same, with a call in progress that can be controlled. */
void sim_begin(struct sim *, const char *settings);
/* Applies a record at the present time; refused ones are not kept. */
int sim_apply(struct sim *, enum record_kind, struct span body);
/* One webhook of several inputs (JSON objects separated by commas). */
void sim_webhook(struct sim *, const char *inputs);
void sim_webhookf(struct sim *, const char *inputs, ...) PRINTF_LIKE(2, 3);
/* One final of "user" or "ai", and the pause that closes its turn. */
void sim_said(struct sim *, const char *who, const char *text);
/* Lets time pass, with a TICK whenever a timer is due: what a live host does. */
void sim_pass(struct sim *, int64_t ms);
/* Lets time pass in one jump, without ticks. */
void sim_jump(struct sim *, int64_t ms);
/* A command; n makes its id. json: members besides id. Returns what apply did. */
int sim_command(struct sim *, unsigned n, const char *json);
/* What came of effect i. */
void sim_intent(struct sim *, size_t effect);
void sim_answered(struct sim *, size_t effect, int status, const char *body);
void sim_ended(struct sim *, size_t effect, enum outcome_end end);

/* The n-th effect of this kind from 0; fails the test when there is none. */
size_t sim_effect(const struct sim *, enum effect_kind, size_t n);
size_t sim_effects(const struct sim *, enum effect_kind);
/* How many event lines hold all of the given parts (each with ' for "), up to a NULL. */
size_t sim_count(const struct sim *, const char *part, ...);
/* Part of the snapshot or summary? */
bool sim_shows(const struct sim *, const char *part);
size_t sim_answer_count(const struct sim *, const char *part);
bool sim_command_is(const struct sim *, unsigned n, const char *state);

/* Replays all records with a new session: same events, answers, effects, snapshot, byte for byte.
 */
void sim_check_replay(const struct sim *);
/* What a restart does: a new session from the first n records, then OUTCOMEs for what was open. */
void sim_restart(struct sim *);
/* The JSON of a text with ' and `. Free it. */
char *sim_json(const char *text);

#endif
