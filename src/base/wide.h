/* WIDE: a loop over numbers that is worth compiling for AVX2 as well; which one runs is chosen at
 * start-up. Not in sanitizer builds: their runtime is not there yet when the choice is made. */
#ifndef CALLMEND_BASE_WIDE_H
#define CALLMEND_BASE_WIDE_H

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#endif
