/* The directory: who may do what, and what is configured - sources, projects, tools, instructions,
 * tokens - as one immutable snapshot.
 *
 * The store loads it from PostgreSQL as one JSON document, keeps it fresh (LISTEN/NOTIFY plus slow
 * polling), and saves it to a local file, atomically, so that a core can start and answer while
 * PostgreSQL is away. Each shard holds a reference; a new snapshot replaces it by mail. Reference
 * counted (atomic); everything inside is immutable. */
#ifndef CALLMEND_DIRECTORY_H
#define CALLMEND_DIRECTORY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/settings.h"
#include "callmend/uuid.h"

/* X(name, "name", rank, documentation); a role may do all that a lower rank may */
#define ROLES(X)                                                                   \
	X(VIEWER, "viewer", 1, "reads calls, events, analytics; watches live")     \
	X(SUPERVISOR, "supervisor", 2, "viewer, and commands, tool-call feedback") \
	X(MANAGER, "manager", 3, "supervisor, and projects, instructions, tools")  \
	X(ADMIN, "admin", 4, "everything: sources, tokens, audit")

enum role {
	ROLE_NONE,
#define X(name, text, rank, doc) ROLE_##name,
	ROLES(X)
#undef X
};
const char *role_name(enum role);
bool role_from(struct span name, enum role *out);

struct dir_token {
	struct uuid id, org;
	struct span name;
	enum role role;
	uint8_t hash[32];   /* SHA-256 of the token text */
	int64_t expires_us; /* 0: never */
};

/* A secret by reference, resolved when the directory is loaded; `value` is empty and `missing` says
 * why when it could not be. */
struct dir_secret {
	struct span value, missing;
};

enum auth_mode {
	AUTH_OPEN,
	AUTH_SECRET,
	AUTH_BEARER,
	AUTH_HMAC,
	AUTH_BASIC,
	AUTH_PATH,   /* of sockets only */
	AUTH_TWILIO, /* of sockets only */
};
struct dir_auth {
	enum auth_mode mode;
	struct dir_secret secret; /* shared secret, bearer token, HMAC key, password, auth token */
	struct span header;	  /* lower case: x-vapi-secret, authorization, x-signature */
	struct span user;	  /* BASIC */
	struct span public_url;	  /* TWILIO: how the platform calls this gateway, without a path */
	/* HMAC only (Vapi's HMACAuthenticationPlan) */
	int digest; /* enum digest of base/crypto.h */
	struct span timestamp_header, prefix, payload_format,
		id_header; /* "x-timestamp", "", "{timestamp}.{body}", "" */
	bool include_timestamp, base64_signature, base64_secret;
	int64_t tolerance_ms; /* 0: any time stamp */
};

/* Who is on the channels of a recording of the platform that has two. */
enum dir_channels { CHANNELS_UNKNOWN, CHANNELS_CUSTOMER_FIRST, CHANNELS_ASSISTANT_FIRST };

/* Who speaks first in a recording that has all voices in one. The answerer: who was called. */
enum dir_first_voice {
	FIRST_VOICE_UNKNOWN,
	FIRST_VOICE_OURS,
	FIRST_VOICE_CUSTOMER,
	FIRST_VOICE_ANSWERER
};

/* A session with the platform (callmend/connect.h): source.connect. */
struct dir_connect {
	bool on;
	struct span client_id;
	struct dir_secret client_secret, jwt;
	struct span events;		/* "websocket", "webhook", "none" */
	struct span address;		/* webhook: how the platform reaches this node; empty:
					   public_url of the node */
	struct dir_secret verification; /* webhook: the token that deliveries must bring */
	const struct span *filters;	/* of events; none: the dialect's own choice */
	size_t filters_n;
	struct span from_number; /* texts are sent from it */
	struct span account;	 /* RingCX: sub-account */
	struct span platform;	 /* RingCX: whose tokens are exchanged; empty: RingCentral's own */
	int64_t after_s;	 /* how long after a call its log is asked for */
	bool recordings;	 /* the platform's are fetched */
	enum dir_channels channels;	  /* of those */
	enum dir_first_voice first_voice; /* likewise */
	bool insights; /* its analysis is asked for, besides what it tells by itself */
};

enum { DIRECTORY_AFTER_S = 120 };

struct dir_source {
	struct uuid id, org, project; /* project: default one */
	struct span name; /* unique per org and dialect; the path part of /in/{dialect}/{name} */
	struct span dialect;
	const struct dir_auth
		*auth; /* any one suffices; none and not AUTH_OPEN: nothing is let in */
	size_t auth_n;
	struct dir_secret private_key, control_key;
	struct span api_base;	  /* "https://api.vapi.ai" */
	struct span upstream_url; /* empty: none */
	int64_t upstream_timeout_ms;
	struct json answers; /* {"<message type>": <body>} */
	/* assistant-request: exactly one of these ways, or none (then `failure`) */
	struct json assistant;	  /* a complete assistant as JSON */
	struct span assistant_id; /* with `assistant_mode`: fetched and cached, or passed as id with
				     variableValues */
	struct span assistant_mode;  /* "inline", "fetch", "id", "" */
	struct json variable_values; /* object, mode "id" */
	struct json
		failure; /* {"destination":...} or {"error":"..."}; empty: default spoken error */
	struct json settings; /* numbers of SETTINGS_NUMBERS that differ from the project's, all
				 within SETTINGS_NUMBER_MAX */
	struct dir_connect connect;
};

struct dir_header {
	struct span name;
	struct dir_secret value;
};
struct dir_tool {
	struct uuid id, project;
	struct tool_rule rule;
	struct span url, method; /* POST: arguments as JSON body; GET: as query */
	const struct dir_header *headers;
	size_t headers_n;
	struct span search_argument; /* dotted path of the argument that is a search term; empty: no
					search tool */
};

/* A reviewed mapping that is in use (B3; callmend/mapping.h). */
struct dir_mapping {
	struct uuid id;
	struct span term;   /* as mapping_term() gives it */
	struct span mapped; /* the first mapped term: what is searched instead */
};
enum { DIRECTORY_MAPPINGS_MAX = 10000 }; /* of one project */

/* Where the caller's open issues and orders can be asked for when a call begins (A8). */
struct dir_lookup {
	struct span url; /* empty: nowhere; "{number}" and "{call_id}" stand for the caller's */
	const struct dir_header *headers;
	size_t headers_n;
	int64_t timeout_ms;
};
enum { DIRECTORY_LOOKUP_MS = 1500, DIRECTORY_LOOKUP_MAX_MS = 3000 };

/* Live audio of a project's calls (docs/media.md). */
struct dir_stt {
	struct span provider; /* "deepgram", "openai-realtime", "openai-http"; empty: none */
	struct span url, model, language;
	struct dir_secret key;
};
struct dir_audio {
	struct span vad;    /* "standard", "none" */
	bool listen;	    /* watchers may listen: 30 s are kept */
	bool listen_socket; /* Callmend dials the provider's listen URL of each call */
	bool recording;
	int64_t keep_days; /* recordings */
	struct dir_stt stt;
};
enum { DIRECTORY_KEEP_DAYS = 30, DIRECTORY_KEEP_DAYS_MAX = 3650 };

struct dir_project {
	struct uuid id, org;
	struct span name, language;
	struct json settings; /* numbers of SETTINGS_NUMBERS that differ from the defaults, all
				 within SETTINGS_NUMBER_MAX */
	struct uuid instruction_version;
	int64_t instruction_number;   /* 0: none yet */
	struct span instruction_text; /* the whole text, sections joined */
	const struct dir_tool *tools;
	size_t tools_n;	    /* <= SETTINGS_TOOLS_MAX */
	struct json fields; /* array that fields_new() takes, or JSON_NONE */
	struct json rules;  /* object that directory_check_project() took, or JSON_NONE */
	bool context_inject;
	struct dir_lookup lookup;
	struct dir_audio audio;
	const struct dir_mapping *mappings; /* by term, in the order of their bytes */
	size_t mappings_n;		    /* <= DIRECTORY_MAPPINGS_MAX */
};

/* The JSON form of `auth`, an array of ways of which any one suffices (docs/sources.md); defaults
 * as shown:
 *   {"type": "secret", "secret": REF, "header": "x-vapi-secret"}
 *   {"type": "bearer", "secret": REF, "header": "authorization"}
 *   {"type": "hmac", "secret": REF, "algorithm": "sha256", "signature_header": "x-signature",
 *    "timestamp_header": "x-timestamp", "prefix": "", "include_timestamp": true,
 *    "payload_format": "{timestamp}.{body}", "message_id_header": "", "encoding": "hex",
 * "secret_is_base64": false, "tolerance_ms": 300000}
 *   {"type": "basic", "user": TEXT, "secret": REF}
 *   {"type": "path", "secret": REF}: a part of the path of a socket of live audio is the secret
 *   {"type": "twilio", "secret": REF, "public_url": "wss://gateway.example.com"}:
 * X-Twilio-Signature of a socket of live audio
 *   {"type": "open"}
 * REF is {"env": "CALLMEND_SECRET_..."} or {"file": "name in secrets_dir"}. */

/* The JSON form of `connect` (docs/ringcentral.md, "Connection"); defaults as shown:
 *   {"client_id": TEXT, "client_secret": REF, "jwt": REF, "events": "websocket", "address": "",
 *    "verification": REF or absent, "filters": [], "from_number": "", "account": "",
 *    "platform": "", "after_s": 120, "recordings": true,
 *    "recording_channels": "customer,assistant" or "assistant,customer" or absent,
 *    "recording_first_voice": "ours" or "customer" or "answerer" or absent,
 *    "insights": false} */

struct directory {
	uint64_t version; /* grows with every change in PostgreSQL */
	const struct dir_token *tokens;
	size_t tokens_n;
	const struct dir_source *sources;
	size_t sources_n;
	const struct dir_project *projects;
	size_t projects_n;
	struct arena arena; /* private from here on */
	int refs;
};

/* From the document (the form that store/sql/directory.sql gives and directory_document documents).
 * Secrets are resolved with `secrets_dir` (base/config.h policy for references set by API).
 * Mistakes in one row drop that row and are logged; the rest is served. Likewise one setting that
 * is none or out of range, fields and rules that cannot be read, and a project's tools after the
 * first SETTINGS_TOOLS_MAX. */
MUST int directory_new(struct directory **out, struct span document, const char *secrets_dir,
		       struct fault *f);
const struct directory *directory_ref(const struct directory *);
void directory_unref(const struct directory *);

const struct dir_source *directory_source(const struct directory *, struct span dialect,
					  struct span name);
const struct dir_source *directory_source_by_id(const struct directory *, const struct uuid *);
const struct dir_project *directory_project(const struct directory *, const struct uuid *);
const struct dir_tool *directory_tool(const struct directory *, const struct uuid *);
/* Constant time over the hash; NULL when unknown or expired at now_us. */
const struct dir_token *directory_token(const struct directory *, struct span token,
					int64_t now_us);

/* May this JSON be stored as (part of) a source, tool or project? For writes by API, whole or
 * partial: what is needed to create one is checked by the row. E_INVALID; the fault begins with the
 * path of the member: "auth[0].secret: ...". */
MUST int directory_check_source(struct span json, struct fault *f);
MUST int directory_check_tool(struct span json, struct fault *f);
MUST int directory_check_project(struct span json, struct fault *f);
MUST int directory_check_mapping(struct span json, struct fault *f);
MUST int directory_check_context(struct span json, struct fault *f); /* an item (A8) */
MUST int directory_check_webhook(struct span json, struct fault *f); /* an outbound endpoint */

#endif
