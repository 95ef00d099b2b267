/* The providers this build speaks. One line each; see docs/adding-a-provider.md. */
#include "callmend/dialect.h"
#include "dialect/audio.h"
#include "dialect/openai.h"
#include "dialect/ringcentral.h"
#include "dialect/ringcx.h"
#include "dialect/vapi.h"

const struct dialect *const dialects[] = {
	&vapi_dialect, &openai_dialect, &ringcentral_dialect, &ringcx_dialect, &audio_dialect, NULL,
};

const struct dialect *dialect_find(struct span name)
{
	for (const struct dialect *const *d = dialects; *d; d++)
		if (span_is(name, (*d)->name))
			return *d;
	return NULL;
}
