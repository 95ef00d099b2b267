/* jansson.h beside base/json.h, whose names partly are the same: jansson's get a prefix here. Its
 * json_is_*() macros must not be used (they would compare with our kinds); json_typeof() gives
 * JANSSON_*. */
#ifndef TESTS_JANSSON_H
#define TESTS_JANSSON_H

#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_INTEGER JANSSON_INTEGER
#define JSON_REAL JANSSON_REAL
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#define json_true jansson_true
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_INTEGER
#undef JSON_REAL
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL
#undef json_true

#endif
