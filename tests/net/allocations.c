#include "allocations.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#else
#define COUNTS 1
#endif

static _Thread_local bool watched __attribute__((tls_model("initial-exec")));
static _Thread_local bool paused __attribute__((tls_model("initial-exec")));
static atomic_long seen;

void allocations_watch(bool on)
{
	watched = on;
}

void allocations_pause(void)
{
	paused = true;
}

void allocations_go_on(void)
{
	paused = false;
}

long allocations_seen(void)
{
	return atomic_exchange(&seen, 0);
}

void *allocations_uncounted(size_t n)
{
	bool was = watched;

	watched = false;
	void *p = malloc(n);
	watched = was;
	return p;
}

#if COUNTS
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static void note(void)
{
	if (watched && !paused)
		atomic_fetch_add(&seen, 1);
}

void *malloc(size_t n)
{
	note();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	note();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	note();
	return __libc_realloc(p, n);
}
#endif
