/* Recordings of calls: what there is, their sound in whole or in part, their waveform, deletion.
 * The files are those of the recordings folder of this node. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/endpoint.h"
#include "api/range.h"
#include "api/request.h"
#include "base/log.h"

/* --- files --- */

/* Names come from our own rows; all the same they lead nowhere else. */
static bool path_of(const struct request *r, struct span name, struct buf *out)
{
	const char *folder = r->api->common->config.recordings_folder;

	if (!folder || !name.n || name.p[0] == '/' || memmem(name.p, name.n, "..", 2))
		return false;
	buf_printf(out, "%s/%.*s", folder, SPAN_ARG(name));
	return true;
}

static int open_file(struct request *r, struct json row, struct stat *st)
{
	struct buf path AUTO_BUF = { 0 };

	if (!path_of(r, json_text(json_get(row, "file"), &r->arena), &path))
		return -1;
	int fd = open(buf_z(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* --- sound --- */

static void refuse_state(struct request *r, struct json row)
{
	struct problem p;
	struct span state = json_text(json_get(row, "state"), &r->arena);
	struct span error = json_text(json_get(row, "error"), &r->arena);
	bool failed = span_is(state, "failed");

	problem(&p, PROBLEM_CONFLICT, "%s%.*s",
		failed			       ? "the recording has failed: "
		: span_is(state, "processing") ? "the recording is being made ready"
					       : "the call is still being recorded",
		failed ? (int)error.n : 0, error.p ? error.p : "");
	p.retry_after_s = failed ? 0 : 2;
	request_problem(r, &p);
}

static void refuse_range(struct request *r, uint64_t size)
{
	struct problem p;
	char text[48];

	snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
	exchange_answer_header(r->x, "content-range", span_of(text));
	problem(&p, PROBLEM_OUT_OF_RANGE, "the recording has %llu bytes", (unsigned long long)size);
	request_problem(r, &p);
}

/* A file never changes, so its name is its version. */
static struct span version_of(struct request *r, struct json row)
{
	struct span id = json_text(json_get(row, "id"), &r->arena);

	return span_of(arena_printf(&r->arena, "\"%.*s\"", SPAN_ARG(id)));
}

static struct range wanted(struct request *r, struct span version, uint64_t size)
{
	struct span range, only_if;

	if (!exchange_header(r->x, "range", &range) ||
	    (exchange_header(r->x, "if-range", &only_if) && !span_eq(only_if, version)))
		return (struct range){ RANGE_ALL, 0, size };
	return range_of(range, size);
}

static void put_part(struct request *r, const struct range *part, uint64_t size)
{
	char text[80];

	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)part->from,
		 (unsigned long long)(part->from + part->n - 1), (unsigned long long)size);
	if (part->kind == RANGE_PART)
		exchange_answer_header(r->x, "content-range", span_of(text));
}

static void send_sound(struct request *r, struct json row, int fd, uint64_t size)
{
	struct span version = version_of(r, row);
	struct range part = wanted(r, version, size);

	exchange_answer_header(r->x, "accept-ranges", SPAN("bytes"));
	if (part.kind == RANGE_OUTSIDE) {
		close(fd);
		refuse_range(r, size);
		return;
	}
	exchange_answer_header(r->x, "etag", version);
	put_part(r, &part, size);
	request_answer_file(r, part.kind == RANGE_PART ? 206 : 200, "audio/ogg", fd, part.from,
			    part.n);
}

static void answered_audio(struct request *r, const struct store_answer *a)
{
	struct json row = json_of(a->json);
	struct stat st;

	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	if (!json_is_text(json_get(row, "state"), "ready")) {
		refuse_state(r, row);
		return;
	}
	int fd = open_file(r, row, &st);
	if (fd < 0)
		request_fail(r, E_NOT_FOUND,
			     SPAN("the file of this recording is not on this node"));
	else
		send_sound(r, row, fd, (uint64_t)st.st_size);
}

/* --- deletion --- */

/* At once where it lies here; an analyst that has the folder does it else, and forgets the row. */
static void answered_delete(struct request *r, const struct store_answer *a)
{
	struct buf path AUTO_BUF = { 0 };

	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	struct span name = json_text(json_get(json_of(a->json), "file"), &r->arena);
	if (path_of(r, name, &path) && unlink(buf_z(&path)) && errno != ENOENT)
		log_warn("recordings", "%s: cannot be deleted: %s", buf_z(&path), strerror(errno));
	request_answer(r, 204, (struct span){ 0 });
}

/* --- rows --- */

static const struct param list_params[] = { CALLER_ORG(1), PATH_CALL("id", 2) };
static const struct param audio_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "the recording"),
};
static const struct param peaks_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "the recording") };
static const struct param delete_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "the recording"),
	QUERY_REASON(4),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/calls/{id}/recordings", ROLE_SUPERVISOR, .id = "list_call_recordings",
	  .tag = "recordings", .summary = "The recordings of a call",
	  .query = "api_call_recordings", .answer = "RecordingList", ENDPOINT_PARAMS(list_params) },
	{ HTTP_GET, "/api/v1/recordings/{id}/audio", ROLE_SUPERVISOR, .id = "get_recording_audio",
	  .tag = "recordings",
	  .summary = "The sound as audio/ogg (Opus): left the customer, right the assistant; one "
		     "range of bytes at a time (206). Audited",
	  .query = "api_recording_audio", ENDPOINT_PARAMS(audio_params),
	  .answered = answered_audio },
	{ HTTP_GET, "/api/v1/recordings/{id}/peaks", ROLE_SUPERVISOR, .id = "get_recording_peaks",
	  .tag = "recordings", .summary = "The waveform of a recording",
	  .query = "api_recording_peaks", .answer = "RecordingPeaks",
	  ENDPOINT_PARAMS(peaks_params) },
	{ HTTP_DELETE, "/api/v1/recordings/{id}", ROLE_SUPERVISOR, .id = "delete_recording",
	  .tag = "recordings", .summary = "Delete a recording, for good", .status = 204,
	  .query = "api_recording_delete", ENDPOINT_PARAMS(delete_params),
	  .answered = answered_delete },
};
ENDPOINTS(recordings_endpoints, rows);
