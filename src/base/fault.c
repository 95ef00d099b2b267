#include "callmend/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error_text {
	int code;
	const char *text;
};

static const struct error_text texts[] = {
#define X(name, code, text) { (code), (text) },
	ERRORS(X)
#undef X
};

int fault(struct fault *f, int code, const char *fmt, ...)
{
	if (!f)
		return code;
	/* The arguments may point into f->text. */
	char text[sizeof(f->text)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(f->text, text, sizeof(text));
	f->code = code;
	return code;
}

int fault_wrap(struct fault *f, const char *fmt, ...)
{
	if (!f)
		return E_INVALID;
	char phrase[sizeof(f->text)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(phrase, sizeof(phrase), fmt, ap);
	va_end(ap);
	int code = f->code ? f->code : E_INVALID;
	return fault(f, code, "%s: %s", phrase, f->text);
}

const char *fault_name(int code)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == code)
			return texts[i].text;
	return code == 0 ? "success" : "unknown error";
}

void check_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "callmend: broken invariant at %s:%d: %s\n", file, line, cond);
	abort();
}
