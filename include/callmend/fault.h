/* One way to fail and one way to clean up.
 *
 * A function that can fail returns 0 or a negative E_* code and explains itself in a `struct fault`
 * that its caller owns; each layer may wrap the text with one phrase. Faults are logged once, where
 * they are handled. NULL for the fault is allowed everywhere. */
#ifndef CALLMEND_FAULT_H
#define CALLMEND_FAULT_H

#include <stddef.h>

/* X(name, code, text) */
#define ERRORS(X)                                              \
	X(NOMEM, -1, "out of memory")                          \
	X(INVALID, -2, "invalid input")                        \
	X(NOT_FOUND, -3, "not found")                          \
	X(FULL, -4, "a bounded queue is full")                 \
	X(IO, -5, "input/output error")                        \
	X(CORRUPT, -6, "damaged data")                         \
	X(UNAVAILABLE, -7, "not available now")                \
	X(TIMEOUT, -8, "timed out")                            \
	X(DENIED, -9, "not allowed")                           \
	X(CONFLICT, -10, "in conflict with the present state") \
	X(TOO_LARGE, -11, "too large")                         \
	X(CLOSED, -12, "closed")                               \
	X(LOST, -13, "the lease was lost")

enum error_code {
#define X(name, code, text) E_##name = (code),
	ERRORS(X)
#undef X
};

struct fault {
	int code;
	char text[256];
};

#define MUST __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Sets code and text, returns the code: `return fault(f, E_INVALID, "line %d: ...", n);` */
int fault(struct fault *f, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "phrase: " before the text that is there; returns the code that is there (E_INVALID when
 * there is none or f is NULL: never success). */
int fault_wrap(struct fault *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The general text of a code: "not found". */
const char *fault_name(int code);

#define TRY(expr)                       \
	do {                            \
		int try_rc_ = (expr);   \
		if (try_rc_)            \
			return try_rc_; \
	} while (0)

/* `scoped(segment) *s = ...;` frees s with segment_free() on every way out of the block;
 * DEFINE_SCOPED(segment) once, beside segment_free(), makes it possible. */
#define DEFINE_SCOPED(type)                                    \
	static inline void type##_scoped_free(struct type **p) \
	{                                                      \
		type##_free(*p);                               \
	}
#define scoped(type) __attribute__((cleanup(type##_scoped_free))) struct type
/* Hands ownership on, visibly: the variable is NULL afterwards. */
#define take(p)                       \
	({                            \
		__auto_type t_ = (p); \
		(p) = NULL;           \
		t_;                   \
	})

/* An assertion about our own code; stays on in every build and never judges input. */
#define CHECK(cond)                                              \
	do {                                                     \
		if (__builtin_expect(!(cond), 0))                \
			check_failed(#cond, __FILE__, __LINE__); \
	} while (0)
_Noreturn void check_failed(const char *cond, const char *file, int line);

#endif
