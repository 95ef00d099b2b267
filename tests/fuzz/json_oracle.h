/* One text, two readers: ours and jansson must agree on accept or refuse and on every value, except
 * where src/base/json_check.c documents a difference. abort()s on disagreement, so that it serves
 * fuzzers and tests alike. */
#ifndef TESTS_JSON_ORACLE_H
#define TESTS_JSON_ORACLE_H

#include "callmend/span.h"

/* Whether our side accepted it. */
bool json_oracle_agrees(struct span text);

#endif
