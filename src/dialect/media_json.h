/* What every media dialect does with a text message that is no audio. */
#ifndef CALLMEND_DIALECT_MEDIA_JSON_H
#define CALLMEND_DIALECT_MEDIA_JSON_H

#include "callmend/media.h"

/* Proves the text; an object with a text member `kind` ("event", "type"). E_INVALID. */
MUST int media_json(struct span text, const char *kind, struct arena *a, struct json *message,
		    struct span *of_kind, struct fault *f);
/* E_INVALID when an id, a number or a name is longer than MEDIA_ID_MAX. */
MUST int media_json_bounded(struct span text, const char *path, struct fault *f);
/* Begins a text message to send: an object; json_end() ends it. */
struct json_out media_json_begin(struct media_out *out);
void media_json_put_base64(struct json_out *, const char *key, struct span bytes);

#endif
