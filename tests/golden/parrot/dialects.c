/* Stands in for src/dialect/dialects.c in tests: the real providers and the made-up one. */
#include "dialect/vapi.h"
#include "tests/golden/parrot/parrot.h"

const struct dialect *const dialects[] = {
	&vapi_dialect,
	&parrot_dialect,
	NULL,
};

const struct dialect *dialect_find(struct span name)
{
	for (const struct dialect *const *d = dialects; *d; d++)
		if (span_is(name, (*d)->name))
			return *d;
	return NULL;
}
