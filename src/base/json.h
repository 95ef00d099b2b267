/* JSON (RFC 8259) read in place, and written.
 *
 * Reading: json_check() proves a whole text once (syntax, depth, UTF-8; names what and where).
 * Every other reader below may then trust it and skips at memory speed (SSE2 for strings); none
 * copies or allocates. A `struct json` is a kind and the raw bytes of one value, strings with their
 * quotes, valid as long as the text is.
 *
 * Texts: json_text() gives UTF-8. What PostgreSQL's jsonb and WebSocket text frames refuse is
 * mended here, and only here: \u0000 and lone surrogates become U+FFFD.
 *
 * Writing: json_* writers append to a buf; the same calls give the same bytes (events are compared
 * byte for byte in replay tests). */
#ifndef CALLMEND_BASE_JSON_H
#define CALLMEND_BASE_JSON_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "callmend/fault.h"
#include "callmend/span.h"

enum json_kind {
	JSON_NONE,
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	enum json_kind kind; /* JSON_NONE: absent */
	struct span raw;
};

enum { JSON_MAX_DEPTH = 128 };

/* Strict; the fault names byte offset, line and what was expected. E_INVALID. */
MUST int json_check(struct span text, struct fault *f);
/* The value of a checked text (white space around it dropped); JSON_NONE when empty. */
struct json json_of(struct span checked);

/* First member with this name; JSON_NONE when absent or `object` is no object. Names with escapes
 * are compared unescaped. */
struct json json_get(struct json object, const char *name);
/* Dotted path through objects: "call.monitor.controlUrl". */
struct json json_path(struct json object, const char *path);
static inline bool json_has(struct json v)
{
	return v.kind != JSON_NONE && v.kind != JSON_NULL;
}

/* Walks members or elements in order; `key` is the raw name without quotes (empty for arrays). */
struct json_iter {
	const char *p, *end;
	enum json_kind of;
};
struct json_iter json_iter(struct json container);
bool json_next(struct json_iter *it, struct span *key, struct json *value);
size_t json_count(struct json container);
/* An array's first element; JSON_NONE when it is empty or none. */
struct json json_first(struct json array);
/* The text of a key that json_next() gave, unescaped, with a zero byte behind it. */
const char *json_key(struct span key, struct arena *a);

/* Unescaped text of a string (from `a` only if it has escapes or needs mending); empty for other
 * kinds. */
struct span json_text(struct json v, struct arena *a);
/* Numbers, also when they come as strings ("12", "1.5"); false when it is neither. */
bool json_i64(struct json v, int64_t *out);
bool json_f64(struct json v, double *out);
/* true, "true". jansson exports a function of this name and calls it itself: ours has a symbol of
 * its own, so that one program can link both. */
bool json_true(struct json v) __asm__("callmend_json_true");
bool json_is_text(struct json v, const char *z);

/* --- field tables: one list per message, used to read it --- */
enum json_field_type { JSON_F_TEXT, JSON_F_RAW, JSON_F_I64, JSON_F_F64, JSON_F_BOOL };
enum json_field_need { JSON_OPTIONAL, JSON_REQUIRED };
enum { JSON_FIELDS_MAX = 64 };
struct json_field {
	const char *path; /* dotted */
	enum json_field_type type;
	enum json_field_need need;
	size_t offset; /* into the struct */
};
#define JSON_C_TYPE_TEXT struct span
#define JSON_C_TYPE_RAW struct json
#define JSON_C_TYPE_I64 int64_t
#define JSON_C_TYPE_F64 double
#define JSON_C_TYPE_BOOL bool
/* A message is one list LIST(F, T), every line F(T, TYPE, member, "path", REQUIRED|OPTIONAL):
 *
 *	#define MEDIA(F, T)                                     \
 *		F(T, TEXT, payload, "media.payload", REQUIRED)  \
 *		F(T, I64, timestamp, "media.timestamp", OPTIONAL)
 *	JSON_STRUCT(media, MEDIA)     // struct media { struct span payload; int64_t timestamp; };
 *	JSON_FIELDS(media, MEDIA)     // static const struct json_field media_fields[]
 *	...
 *	struct media m = { 0 };
 *	TRY(JSON_READ(media, object, arena, &m, f));
 */
#define JSON_MEMBER(tag, type, name, path, need) JSON_C_TYPE_##type name;
#define JSON_STRUCT(tag, LIST)         \
	struct tag {                   \
		LIST(JSON_MEMBER, tag) \
	};
/* Inside a function or at file scope. */
#define JSON_FIELDS(tag, LIST) \
	static const struct json_field tag##_fields[] = { LIST(JSON_FIELD, tag) };
#define JSON_FIELD(tag, type, name, path, need) \
	{ path, JSON_F_##type, JSON_##need, offsetof(struct tag, name) },
#define JSON_READ(tag, object, arena, out, f)                                                  \
	json_read(tag##_fields, sizeof(tag##_fields) / sizeof(tag##_fields[0]), object, arena, \
		  out, f)
/* One walk over a checked object, into the zeroed struct at `out`; n <= JSON_FIELDS_MAX. Absent or
 * null optional members stay zero; a member of a wrong type or a missing required one is E_INVALID,
 * the fault names the path and both types. */
MUST int json_read(const struct json_field *fields, size_t n, struct json object, struct arena *a,
		   void *out, struct fault *f);

/* --- writing --- */
/* Commas are placed automatically. Every value call takes `key`: NULL inside arrays and at top
 * level. */
struct json_out {
	struct buf *b;
	bool comma;
};
void json_begin(struct json_out *o, const char *key);	    /* { */
void json_end(struct json_out *o);			    /* } */
void json_begin_array(struct json_out *o, const char *key); /* [ */
void json_end_array(struct json_out *o);		    /* ] */
void json_put_text(struct json_out *o, const char *key,
		   struct span utf8); /* escapes; mends invalid UTF-8 and NUL */
void json_put_z(struct json_out *o, const char *key, const char *z); /* NULL: null */
void json_put_i64(struct json_out *o, const char *key, int64_t v);
void json_put_f64(struct json_out *o, const char *key,
		  double v); /* shortest form that reads back equal, at most 6
				decimals: the same on every machine */
void json_put_bool(struct json_out *o, const char *key, bool v);
void json_put_null(struct json_out *o, const char *key);
void json_put_raw(struct json_out *o, const char *key,
		  struct span json); /* already JSON; empty: null */
/* A member as json_next() gave it, under its own name. */
void json_put_member(struct json_out *o, struct span key, struct span json);
/* As raw, but with \u0000 and lone surrogates mended, so that jsonb takes it. */
void json_put_clean(struct json_out *o, const char *key, struct span json);

#endif
