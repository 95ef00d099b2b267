/* What benches of a function in process share. */
#ifndef CALLMEND_BENCH_MEASURE_H
#define CALLMEND_BENCH_MEASURE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "callmend/fault.h"

static inline int64_t cpu_ns_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Of this thread: the machine is shared, what others take does not count. */
static inline int64_t cpu_ns(void)
{
	return cpu_ns_of(CLOCK_THREAD_CPUTIME_ID);
}

static inline void must(int rc, const struct fault *f)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, f->text);
	exit(1);
}

#endif
