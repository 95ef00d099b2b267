/* The kinds of option values: text to member, and numbers back to text. */
#include <stdio.h>
#include <stdlib.h>

#include "base/config_internal.h"
#include "base/json.h"

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define TIB (INT64_C(1) << 40)
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

#define RANGE(from, to)                       \
	{                                     \
		.least = (from), .most = (to) \
	}
#define CHOICES(words)             \
	{                          \
		.choices = (words) \
	}
#define ANY       \
	{         \
		0 \
	}

const struct option config_options[OPTION_COUNT] = {
#define X(member, path, type, default_text, limits, doc) \
	{                                                \
		#member,                                 \
		path,                                    \
		OPTION_##type,                           \
		default_text,                            \
		limits,                                  \
		doc,                                     \
		offsetof(struct config, member)          \
	},
	OPTIONS(X)
#undef X
};

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: the first that divides a number is how it is written. */
static const struct unit size_units[] = {
	{ "TiB", TIB }, { "GiB", GIB }, { "MiB", MIB }, { "KiB", KIB },
	{ "B", 1 },	{ "", 1 },	{ 0 },
};
static const struct unit duration_units[] = {
	{ "d", DAY }, { "h", HOUR }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { "", 1 }, { 0 },
};
static const struct unit no_units[] = { { "", 1 }, { 0 } };

static bool parse_with(const struct unit *units, const char *text, int64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	int64_t v = 0;
	if (digits == 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, text[i] - '0', &v))
			return false;
	const char *unit = text + digits + strspn(text + digits, " ");
	while (units->name && strcmp(units->name, unit) != 0)
		units++;
	return units->name && !__builtin_mul_overflow(v, units->factor, out);
}

static void format_with(const struct unit *units, int64_t v, struct buf *out)
{
	while (v == 0 ? units->factor != 1 : v % units->factor != 0)
		units++;
	buf_printf(out, "%lld%s", (long long)(v / units->factor), units->name);
}

static bool parse_int(const struct option *o, const char *text, struct arena *a, void *to)
{
	(void)o, (void)a;
	return parse_with(no_units, text, to);
}

static bool parse_size(const struct option *o, const char *text, struct arena *a, void *to)
{
	(void)o, (void)a;
	return parse_with(size_units, text, to);
}

static bool parse_duration(const struct option *o, const char *text, struct arena *a, void *to)
{
	(void)o, (void)a;
	return parse_with(duration_units, text, to);
}

static bool parse_text(const struct option *o, const char *text, struct arena *a, void *to)
{
	(void)o;
	*(const char **)to = arena_copy(a, span_of(text)).p;
	return true;
}

static bool parse_choice(const struct option *o, const char *text, struct arena *a, void *to)
{
	(void)a;
	size_t length = strlen(text);
	int index = 0;
	for (const char *p = o->limits.choices; *p; index++) {
		size_t n = strcspn(p, " ");
		if (n == length && memcmp(p, text, n) == 0) {
			*(int *)to = index;
			return true;
		}
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

static int64_t measure_number(const void *from)
{
	return *(const int64_t *)from;
}

static int64_t measure_text(const void *from)
{
	return (int64_t)strlen(*(const char *const *)from);
}

static void format_int(int64_t v, struct buf *out)
{
	format_with(no_units, v, out);
}

static void format_size(int64_t v, struct buf *out)
{
	format_with(size_units, v, out);
}

static void format_duration(int64_t v, struct buf *out)
{
	format_with(duration_units, v, out);
}

const struct option_kind config_kinds[] = {
	[OPTION_TEXT] = { "text", "text", parse_text, measure_text, format_int, " characters" },
	[OPTION_PATH] = { "path", "a path", parse_text, measure_text, format_int, " characters" },
	[OPTION_INT] = { "integer", "a whole number", parse_int, measure_number, format_int, "" },
	[OPTION_SIZE] = { "size", "a size like 64MiB, 512KiB or a number of bytes", parse_size,
			  measure_number, format_size, "" },
	[OPTION_DURATION] = { "duration", "a duration like 500ms, 10s, 5m, 24h or 7d",
			      parse_duration, measure_number, format_duration, "" },
	[OPTION_CHOICE] = { "choice", "one of the choices", parse_choice, NULL, NULL, "" },
	[OPTION_SECRET] = { "secret", "", NULL, NULL, NULL, "" },
};

void config_env_name(const struct option *o, struct buf *out)
{
	buf_addz(out, "CALLMEND_");
	for (const char *p = o->member; *p; p++)
		buf_addc(out, (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
}

bool config_is_env_name(const char *z)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char rest[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	return *z && strchr(first, *z) && strspn(z, rest) == strlen(z);
}

static void write_choices(const char *p, struct buf *out)
{
	buf_addz(out, "one of ");
	for (; *p; p++) {
		if (*p == ' ')
			buf_addc(out, ',');
		buf_addc(out, *p);
	}
}

void config_write_limits(const struct option *o, struct buf *out)
{
	const struct option_kind *kind = &config_kinds[o->type];
	if (o->limits.choices)
		write_choices(o->limits.choices, out);
	if (!kind->format)
		return;
	kind->format(o->limits.least, out);
	buf_addz(out, " to ");
	kind->format(o->limits.most, out);
	buf_addz(out, kind->counts);
}
