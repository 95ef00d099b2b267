/* Records of RingCentral's call log, and those of RingCX that pulls write: what is taken of a log
 * becomes a notification that the dialect takes, of the same call, which ends not before it began;
 * what is kept of a record is well formed. */
#include <stdlib.h>

#include "callmend/dialect.h"
#include "dialect/formats.h"
#include "dialect/ringcentral_log.h"
#include "tests/fuzz/fuzz.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_call(const struct format *format, const struct format_call *call, struct arena *a)
{
	const struct dialect *d = dialect_find(span_of(format->dialect));
	struct inputs inputs = { 0 };
	struct envelope e;
	struct fault f = { 0 };
	must(d && call->id.n && json_check(call->body, NULL) == 0);
	if (d->classify(call->body, a, &e, &f)) {
		/* Records that we write ourselves are read by another dialect, which knows them. */
		must(format == &ringcx_log_format && f.text[0]);
		return;
	}
	must(span_eq(e.call_id, call->id));
	must(d->read(call->body, a, &inputs, NULL) == 0 && inputs.n >= 2);
	must(inputs.items[0].type == INPUT_CALL && inputs.items[0].facts);
}

static void try_format(const struct format *format, struct span text, struct arena *a)
{
	struct format_record record = { .text = text };
	struct format_call call;
	struct fault f = { 0 };
	if (!format->claims(json_of(text)))
		return;
	if (format->read(&record, a, &call, &f))
		must(f.text[0]);
	else
		check_call(format, &call, a);
}

static void try_log(struct span text, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct rc_log log;
	struct fault f = { 0 };
	if (rc_log_read(json_of(text), a, &log, &f)) {
		must(f.text[0]);
		return;
	}
	must(log.call_id.n && log.started_us > 0 && log.recordings_n <= RC_RECORDINGS_MAX);
	must(log.under_way ? !log.ended_us : log.ended_us >= log.started_us);
	json_begin(&o, NULL);
	rc_log_write(json_of(text), &log, a, &o, "log");
	json_end(&o);
	must(json_check(buf_span(&b), NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span text = { memcpy(copy, n ? (const void *)data : "", n), n };
	struct arena a = { 0 };
	if (json_check(text, NULL) == 0) {
		try_format(&ringcentral_log_format, text, &a);
		try_format(&ringcx_log_format, text, &a);
		try_log(text, &a);
	}
	arena_fini(&a);
	free(copy);
	return 0;
}
