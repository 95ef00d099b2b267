/* The text's form says the destination's type; the dialect says which types it takes. */
#include "node/destination.h"

#include "callmend/dialect.h"

enum { NUMBER_MIN = 4, NUMBER_MAX = 16, EXTENSION_MAX = 10, QUEUE_MAX = 64 };
enum { QUEUE_PREFIX = sizeof(DESTINATION_QUEUE) - 1 };

static bool is_digits(const char *text, size_t least, size_t most)
{
	size_t n = strspn(text, "0123456789");
	return !text[n] && n >= least && n <= most;
}

static bool is_number(const char *text)
{
	return *text == '+' && is_digits(text + 1, NUMBER_MIN - 1, NUMBER_MAX - 1);
}

static bool is_extension(const char *text)
{
	return is_digits(text, 1, EXTENSION_MAX);
}

static bool is_sip(const char *text)
{
	size_t n = strncmp(text, "sips:", 5) == 0 ? 5 : strncmp(text, "sip:", 4) == 0 ? 4 : 0;
	return n && text[n] && !strchr(text, ' ');
}

static bool is_queue(const char *text)
{
	size_t n = strlen(text);
	return n > QUEUE_PREFIX && n <= QUEUE_PREFIX + QUEUE_MAX &&
	       strncmp(text, DESTINATION_QUEUE, QUEUE_PREFIX) == 0 && !strchr(text, ' ');
}

static const struct form {
	const char *type, *member, *shown;
	bool (*is)(const char *text);
	size_t prefix; /* bytes of the text before the value */
} forms[] = {
	{ "number", "number", "+1...", is_number, 0 },
	{ "sip", "sipUri", "sip:...", is_sip, 0 },
	{ "extension", "extension", "101 (extension)", is_extension, 0 },
	{ "queue", "id", DESTINATION_QUEUE "7", is_queue, QUEUE_PREFIX },
};
enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

/* Of a dialect that we do not know, or that does not say, the node knows better. */
static bool takes(const char *dialect, const struct form *form)
{
	const struct dialect *d = dialect_find(span_of(dialect));
	const char *const *type = d ? d->transfers : NULL;
	bool any = !type;
	while (type && *type)
		any = strcmp(*type++, form->type) == 0 || any;
	return any;
}

void destination_forms(const char *dialect, struct buf *out)
{
	const char *before = "";
	for (size_t i = 0; i < FORMS; i++) {
		if (!takes(dialect, &forms[i]))
			continue;
		buf_printf(out, "%s%s", before, forms[i].shown);
		before = " or ";
	}
}

bool destination_fits(const char *dialect, const char *text)
{
	for (size_t i = 0; i < FORMS; i++)
		if (forms[i].is(text) && takes(dialect, &forms[i]))
			return true;
	return false;
}

bool destination_is(const char *type, const char *text)
{
	for (size_t i = 0; i < FORMS; i++)
		if (strcmp(forms[i].type, type) == 0)
			return forms[i].is(text);
	return false;
}

void destination_write(const char *text, struct json_out *o)
{
	for (size_t i = 0; i < FORMS; i++) {
		if (!forms[i].is(text))
			continue;
		json_begin(o, "destination");
		json_put_z(o, "type", forms[i].type);
		json_put_z(o, forms[i].member, text + forms[i].prefix);
		json_end(o);
		return;
	}
}
