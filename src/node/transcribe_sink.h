/* Speech-to-text of live audio, for projects that want it (audio.stt): from lines of src/media to
 * src/stt, and what is heard back to the line's call, and to the platform where it takes words.
 * Where it does and there will be none any more, its socket is closed; but of a project that never
 * wanted speech-to-text it is left open, as a source of audio, and the call told.
 *
 * Lines that we dialled are left out: their platform has words of its own and tells them by
 * webhook. */
#ifndef CALLMEND_NODE_TRANSCRIBE_SINK_H
#define CALLMEND_NODE_TRANSCRIBE_SINK_H

#include "media/media.h"
#include "stt/stt.h"

struct transcribe_sink;
/* `config` is copied, what it points at is not. */
struct transcribe_sink *transcribe_sink_new(const struct stt_config *config, unsigned shards);
/* After the media. */
void transcribe_sink_free(struct transcribe_sink *);
/* Before the shards start. */
void transcribe_sink_attach(struct transcribe_sink *, struct media *);
/* In the hooks of each shard: before lines begin; after the media has stopped there. */
MUST int transcribe_sink_start(struct transcribe_sink *, struct shard *, struct fault *f);
void transcribe_sink_stop(struct transcribe_sink *, struct shard *);

#endif
