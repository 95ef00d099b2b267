/* A provider's protocol: bytes in, inputs out; commands in, requests out. Pure: no clock, socket,
 * thread or allocation that outlives the given arena or buf. One file per provider in src/dialect,
 * one line in dialects.c, one folder in tests/golden.
 *
 * A webhook body passes through
 *   classify  any thread   what it is, which call, does the provider read our answer; the bytes may
 * be anything and are skipped at memory speed, not checked. When it refuses, json_check's fault
 * comes first reduce    owner shard  what the call has sent before is left out (markers); the bytes
 * may still be anything. The result is valid JSON exactly when the body is json_check of the
 * result: the rest was checked when it was new mask      any thread   the same bytes with secret
 * values replaced (by a table of names); journaled *and* applied read      owner shard  reduced
 * bytes -> inputs, in order read() of a reduced body gives what read() of the whole one would, less
 * what the call has already sent. Bodies that are kept whole are checked and masked whole; mask and
 * read only ever get checked bytes. */
#ifndef CALLMEND_DIALECT_H
#define CALLMEND_DIALECT_H

#include "callmend/command.h"
#include "callmend/fault.h"
#include "callmend/input.h"
#include "callmend/repeats.h"

/* Does the provider read the answer's body, and who composes it? */
enum answer_kind {
	ANSWER_NONE,	  /* any 2xx; body {} */
	ANSWER_TOOLS,	  /* the session, when every tool has answered */
	ANSWER_ASSISTANT, /* ingest: the assistant to use */
	ANSWER_DEFAULT,	  /* the source's configured answer for this type, else
			     dialect->default_answer */
};

struct envelope {
	struct span call_id; /* the provider's; empty: belongs to no call */
	struct span type;    /* "status-update" */
	enum answer_kind answer;
	bool keep_whole; /* reduce must leave it as it is */
	int64_t at_us;	 /* provider's time, 0 unknown */
	bool beside;	 /* came over the socket of the call's audio (input.beside): it is neither
			    answered nor forwarded upstream */
};

/* One tool call's answer, for tool_answer. */
struct tool_answer {
	struct span id, name;
	struct span result; /* text or JSON as text; when `failed` the message for the model */
	bool failed;
};

/* What to answer an assistant-request with. */
struct assistant_choice {
	struct json assistant;	     /* a complete assistant; absent: by id */
	struct span id;		     /* by id */
	struct json variable_values; /* by id: object; `instructions` is added to it */
	struct span instructions; /* the project's current ones; empty: the assistant's own stay */
	bool inject;		  /* the variable callmend_context is given */
	struct span context; /* its value: what is known of the caller; empty: nothing. When the
				text that is served does not name the variable, a section that
				does is added */
	bool *written;	     /* out, may be NULL: `instructions` are the system message of what is
				served, not only a variable of it */
};

/* Budgets in which a provider counts our requests (RingCentral's rate groups). */
enum api_group { API_GROUP_NONE, API_GROUP_LIGHT, API_GROUP_MEDIUM, API_GROUP_HEAVY };

/* An HTTP request to the provider. Strings live in the arena. */
struct provider_request {
	struct span method, url, body; /* method: GET POST PUT PATCH DELETE */
	/* needs_session: the platform's documents disagree about the body. Where the first is
	 * refused as a bad request (400), nothing was done, and it goes once more with this one.
	 * Empty: there is none. */
	struct span other_body;
	bool needs_session;	/* goes through the source's session (callmend/connect.h), which
				   adds its token and keeps its budgets */
	enum api_group group;	/* needs_session */
	bool needs_private_key; /* ingest adds Authorization: Bearer <source's private key> */
	bool needs_control_key; /* ... <source's control key>, when it has one */
};

/* Where a command goes: what is known of the call when it is asked for. */
struct command_where {
	struct span control_url; /* the provider's; may be empty */
	struct span api_base;	 /* of the source */
	struct span provider_call_id;
	/* Whom it is about, when the platform tells of parties: by target, the inside party that
	 * talks or is held, or the outside one; NULL: there is none (any more). */
	const struct call_party *party;
	struct span recording;	     /* of the platform's own, of that party; may be empty */
	struct span kind;	     /* of the call (call_facts) */
	struct span customer_number, /* theirs, and ours */
		phone_number;
};

/* What the platform has answered to a question of ours: how it knows a call, or a text. */
struct asked_answer {
	/* KNOWN_TEXT: it was told before, only its state is news. */
	enum asked_for { ASKED_CALL, ASKED_TEXT, ASKED_KNOWN_TEXT } what;
	struct span id;	     /* the platform's, of the call; a text names its conversation itself */
	int64_t provider_us; /* the platform's own time of it; 0: unknown */
	struct span body;    /* checked JSON; empty: it does not know the call */
};

struct dialect {
	const char *name;  /* as in /in/{dialect}/{source} */
	const char *title; /* "Vapi" */
	/* Why this provider cannot do that, one line for people; NULL: it can. `where` NULL: in any
	 * call of this provider (capability flags); else in this one as it stands. */
	const char *(*cannot)(enum command_verb, const struct command_where *where);
	/* Every command goes by the source's session with the platform (provider_request.
	 * needs_session): a source that has none can do nothing (DIALECT_NO_SESSION). */
	bool by_session;
	/* Types of the destinations that its command transfer takes (callmend/command.h), NULL at
	 * the end: what people may be offered. NULL: it does not say. */
	const char *const *transfers;
	/* A request with this header and no body (or {}) proves that it is us who answer: 200 with
	 * the same header, nothing else is done (RingCentral's Validation-Token). With a message it
	 * is only echoed. NULL: none. */
	const char *echo_header;
	/* Calls live as long as their audio: nobody else says that they end. */
	bool lasts_by_audio;
	/* Calls of this kind (call_facts.kind) take commands over the socket of their audio, too
	 * (media_dialect.put_command). NULL: none do. */
	const char *socket_kind;

	MUST int (*classify)(struct span body, struct arena *, struct envelope *out,
			     struct fault *f);
	void (*mask)(struct span body, const struct envelope *, struct buf *out);
	/* `news`: what the call may be said to know once this is in the journal (repeats_learn). */
	void (*reduce)(struct span body, const struct envelope *, const struct repeats *,
		       struct buf *out, struct repeats_news *news);
	MUST int (*read)(struct span reduced, struct arena *, struct inputs *out, struct fault *f);

	/* Request for a command. E_INVALID when this provider cannot do it (fault says why). */
	MUST int (*command)(const struct command *, const struct command_where *, struct arena *,
			    struct provider_request *out, struct fault *f);
	/* What a 2xx answer to it tells of the call (the message that was sent). NULL: nothing. */
	MUST int (*read_answer)(const struct command *, struct span body, struct arena *,
				struct inputs *out, struct fault *f);
	/* An answer that is no 2xx, but says that what was wanted is so already; the call is asked
	 * about at once. NULL: there are none. */
	bool (*is_so)(enum command_verb, int status);
	/* One line for people from the body of an answer that refuses it; empty: there is none.
	 * NULL: the body itself is shown. */
	struct span (*explain)(struct span body, struct arena *);
	void (*tool_answer)(struct span message_type, const struct tool_answer *, size_t n,
			    struct buf *out);
	/* Splits an upstream's answer to a tool-calls webhook; false when it is none. */
	bool (*read_tool_answer)(struct span body, struct arena *, struct tool_answer **out,
				 size_t *n);
	/* Safe answer to a question of this type when nothing is configured; content type in
	 * *content_type. */
	void (*default_answer)(struct span type, struct span body, struct buf *out,
			       const char **content_type);
	/* The first text to somebody: what the call of all texts between these two numbers is known
	 * by (envelope.call_id), and the message that begins it, before anything is sent. NULL:
	 * texts cannot be begun. */
	void (*begin_text)(struct span ours, struct span theirs, struct arena *,
			   struct span *call_id, struct buf *out);
	/* How to ask for the state of a call, and what the answer says (inputs as from a report).
	 * NULL: cannot. */
	MUST int (*reconcile)(struct span api_base, struct span provider_call_id, struct arena *,
			      struct provider_request *out);
	MUST int (*read_call)(struct span body, struct arena *, struct inputs *out,
			      struct fault *f);
	/* What the platform was asked for, as classify, read and read_call take it together with
	 * the platform's own time of it. The only place where that form is written. NULL: the
	 * answer is enough (read_call), and there are no sessions with this platform. */
	void (*put_asked)(const struct asked_answer *, struct buf *out);
	/* How to fetch an assistant by id, and the answer that names the assistant to use. NULL:
	 * cannot. */
	MUST int (*fetch_assistant)(struct span api_base, struct span id, struct arena *,
				    struct provider_request *out);
	MUST int (*answer_assistant)(const struct assistant_choice *, struct buf *out,
				     struct fault *f);
};

#define DIALECT_NO_SESSION "the source has no session with its platform: set its connect"

extern const struct dialect *const dialects[]; /* NULL at the end; src/dialect/dialects.c */
const struct dialect *dialect_find(struct span name);

#endif
