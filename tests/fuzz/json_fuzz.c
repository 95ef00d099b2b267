/* libFuzzer entry; without -DFUZZ=ON, replay.c runs it over the corpus. */
#include <stdint.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_oracle_agrees((struct span){ (const char *)data, n });
	return 0;
}
