/* Parts of the load generator. Not product code: one thread, one epoll, gives up with a message
 * when something is not as it should be. */
#ifndef CALLMEND_BENCH_LOADGEN_H
#define CALLMEND_BENCH_LOADGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- loadgen_wire.c: bodies, HTTP and WebSocket on the wire --- */

/* In a body: the call's id (any number of times) and, in transcripts, a token to find it again. */
#define CALL_MARK "00000000-0000-7000-8000-0000000ca11d"
#define TOKEN_MARK "zqktok0000000000"
#define TOKEN_PREFIX "zqktok"
enum { CALL_MARK_LEN = 36, TOKEN_LEN = 16, TOKEN_DIGITS = 10, PATCHES_MAX = 64 };

struct body {
	char *text;
	size_t n;
	size_t calls[PATCHES_MAX], calls_n; /* offsets of CALL_MARK */
	size_t token;			    /* offset of TOKEN_MARK; SIZE_MAX: none */
};

struct script {
	struct body *bodies;
	size_t n;
	size_t median, largest;
};

/* All *.json of a folder in order of their names. */
void script_load(struct script *s, const char *dir);
/* Writes the call's id (36 characters) and the token's number into the body. */
void body_patch(struct body *b, const char *call, uint64_t token);

/* Reads one HTTP answer from text. 0: not complete yet; else its length, status in *status. */
size_t http_answer(const char *text, size_t n, int *status);

/* One frame of a server: its length with header, or 0 when not complete; payload and opcode out. */
size_t ws_frame(const char *text, size_t n, const char **payload, size_t *payload_n, int *opcode);
/* A masked text frame of a client; returns its length. */
size_t ws_text(const char *text, char *out, size_t room);

/* --- loadgen_proc.c: giving up, time, what a process uses, how fast a disk is
 * ------------------------------------
 */

__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *fmt, ...);
int64_t now_ns(void);
int64_t proc_cpu_ns(int pid); /* of all its threads */
int64_t proc_rss_bytes(int pid);

/* Latencies in ns. */
struct samples {
	int64_t *v;
	size_t n, cap;
};
void samples_add(struct samples *s, int64_t ns);
double samples_ms(struct samples *s, double quantile); /* sorts */

/* Appends records of `bytes` to a preallocated file in dir, each followed by fdatasync. */
void disk_probe(const char *dir, size_t bytes, unsigned count, struct samples *out);

#endif
