/* The file formats this build imports: the first that claims a record gets it. */
#include "dialect/formats.h"

const struct format *const formats[] = {
	&vapi_export_format, &openai_format,	 &ringcentral_log_format,
	&ringcx_log_format,  &transcript_format, NULL,
};

const struct format *format_find(struct span name)
{
	for (const struct format *const *it = formats; *it; it++)
		if (span_is(name, (*it)->name))
			return *it;
	return NULL;
}

const struct format *format_of(struct json record)
{
	for (const struct format *const *it = formats; *it; it++)
		if ((*it)->claims && (*it)->claims(record))
			return *it;
	return NULL;
}
