/* Parrot Telecom: a made-up provider for tests. */
#ifndef CALLMEND_TESTS_PARROT_H
#define CALLMEND_TESTS_PARROT_H

#include "callmend/dialect.h"

extern const struct dialect parrot_dialect;

#endif
