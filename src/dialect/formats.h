/* The formats, by the files that know them; the list is formats.c. */
#ifndef CALLMEND_DIALECT_FORMATS_H
#define CALLMEND_DIALECT_FORMATS_H

#include "callmend/format.h"

extern const struct format vapi_export_format, openai_format, ringcentral_log_format,
	ringcx_log_format, transcript_format;

#endif
