/* What `callmend watch` knows: live calls, built from the messages of WS /api/v1/live
 *(docs/live.md). Pure: time comes as an argument, nothing is drawn, sent or read here.
 *
 *	messages ──► watch_model ──► watch_page (what stands where) ──► watch_screen (ncurses)
 *	                         └─► watch_plain (a line per event) */
#ifndef CALLMEND_NODE_WATCH_MODEL_H
#define CALLMEND_NODE_WATCH_MODEL_H

#include <stdint.h>
#include <uthash.h>

#include "base/json.h"
#include "callmend/command.h"
#include "callmend/input.h"
#include "callmend/uuid.h"
#include "node/watch_checklist.h"
#include "node/watch_parties.h"

enum {
	WATCH_LINES_MAX = 400, /* of one call's transcript; the oldest go */
	WATCH_SIGNALS_MAX = 8,
	WATCH_TEXT_MAX = 128,	/* bytes; shown in at most a quarter as many columns */
	WATCH_ENDED_MS = 20000, /* how long an ended call stays in sight */
	WATCH_OWNERS_MAX = 256,
};

enum watch_line_kind {
	WATCH_LINE_AI,
	WATCH_LINE_USER,
	WATCH_LINE_TOOL,
	WATCH_LINE_COMMAND,
	WATCH_LINE_RULE, /* a command that the core gave itself */
	WATCH_LINE_NOTE
};
enum watch_line_state { WATCH_LINE_OPEN, WATCH_LINE_DONE, WATCH_LINE_BAD };

struct watch_line {
	enum watch_line_kind kind;
	enum watch_line_state state; /* OPEN: may still grow or change */
	int64_t offset_ms;	     /* from the call's start; -1: unknown */
	int64_t turn;		     /* speech; -1: none yet */
	char key[UUID_TEXT + 1];     /* of a tool run or command */
	char *text;
};

struct watch_call {
	char id[UUID_TEXT + 1];
	char source[WATCH_TEXT_MAX], dialect[WATCH_TEXT_MAX]; /* whom it comes from, by name */
	bool is_text;					      /* a conversation by text, no voice */
	char customer[WATCH_TEXT_MAX], customer_name[WATCH_TEXT_MAX], assistant[WATCH_TEXT_MAX];
	char status[WATCH_TEXT_MAX];
	char ended_reason[WATCH_TEXT_MAX];
	char mood[WATCH_TEXT_MAX]; /* the caller's sentiment; empty: unknown */
	char signals[WATCH_SIGNALS_MAX][WATCH_TEXT_MAX];
	unsigned signals_n;
	enum speaker speaking;
	/* Of live audio. known: some was heard. */
	struct watch_level {
		bool known, speaking;
		double level_db;
	} levels[SPEAKER_USER + 1];
	bool assistant_muted, customer_muted;
	bool ended, escalated; /* escalated: somebody should look after it */
	struct watch_checklist checklist;
	struct watch_parties parties;
	char *cannot[COMMAND_COUNT]; /* why the provider cannot; NULL: it can, or we do not know */
	bool recording_paused;
	int64_t started_us; /* the platform's clock; 0: unknown */
	int64_t skew_us;    /* ours minus the platform's, when skew_known */
	bool skew_known;
	int64_t ended_us;    /* our clock */
	int64_t duration_ms; /* of an ended call; -1: unknown */
	int64_t tools, tool_errors, interventions;
	char *partial[SPEAKER_USER + 1]; /* NULL: none */
	struct watch_line *lines;
	unsigned lines_n, lines_cap;
	unsigned generation;
	UT_hash_handle hh;
};

struct watch_model {
	struct watch_call *calls;
	unsigned generation; /* of snapshots */
	bool owner_done[WATCH_OWNERS_MAX];
	unsigned owners, owners_done;
	char role[WATCH_TEXT_MAX]; /* what our token may do */
	uint64_t events;	   /* seen in all */
	unsigned ended;		   /* calls whose end was seen */
};

void watch_model_fini(struct watch_model *);
/* A new connection: what is not in its snapshots has ended unseen, and goes when they are complete.
 */
void watch_model_restart(struct watch_model *);
/* A checked message of the server. `each` (NULL: nobody) hears every event, after it was applied;
 * the call is NULL when it is not among ours (it ended long ago). Unknown messages and events are
 * ignored. */
typedef void watch_event_fn(void *user, const struct watch_call *, struct json event);
void watch_model_apply(struct watch_model *, struct json message, int64_t now_us,
		       watch_event_fn *each, void *user);
/* Forgets calls that ended long enough ago. */
void watch_model_tick(struct watch_model *, int64_t now_us);
/* All snapshots asked for are there. */
bool watch_model_complete(const struct watch_model *);
unsigned watch_model_live(const struct watch_model *);
struct watch_call *watch_model_find(const struct watch_model *, const char *id);
int64_t watch_call_duration_ms(const struct watch_call *, int64_t now_us);

enum watch_sort {
	WATCH_BY_ATTENTION,
	WATCH_BY_AGE,
	WATCH_BY_NEWEST,
	WATCH_BY_CUSTOMER,
	WATCH_SORTS
};
const char *watch_sort_name(enum watch_sort);
/* How much a call needs somebody: raised signals, the caller's mood, failed tools. 0: nothing. */
unsigned watch_call_attention(const struct watch_call *);
/* Our side of this call: "AI", or "us" where people talk. */
const char *watch_call_our_side(const struct watch_call *);
/* The calls that match `filter` (part of any shown text, in either case), ended ones last.
 * malloc'ed; *n of them. */
const struct watch_call **watch_model_list(const struct watch_model *, enum watch_sort,
					   const char *filter, size_t *n);

#endif
