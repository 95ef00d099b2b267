/* The table of options as documentation and as an example file. */
#include "base/config_internal.h"

static struct span section_of(const struct option *o)
{
	const char *dot = strchr(o->path, '.');
	return (struct span){ o->path, dot ? (size_t)(dot - o->path) : 0 };
}

static const char *name_in_section(const struct option *o)
{
	const char *dot = strchr(o->path, '.');
	return dot ? dot + 1 : o->path;
}

static void write_option(const struct option *o, struct buf *out)
{
	buf_printf(out, "### `%s`\n\n%s\n\n- type: %s", o->path, o->doc,
		   config_kinds[o->type].name);
	if (o->type != OPTION_SECRET) {
		buf_addz(out, ", ");
		config_write_limits(o, out);
	} else {
		buf_addz(out, ", given as `{ env: NAME }` or `{ file: /path }`");
	}
	if (*o->default_text)
		buf_printf(out, "\n- default: `%s`", o->default_text);
	buf_addz(out, "\n- environment: `");
	config_env_name(o, out);
	buf_addz(out, "`\n\n");
}

static const char intro[] =
	"# Configuration\n\n"
	"One YAML file (`callmend up --config callmend.yaml`), every option of it optional. The\n"
	"environment overrides the file; an empty variable counts as not set. `callmend check` "
	"shows every\n"
	"mistake with its line. An example with all defaults: `config/callmend.example.yaml`.\n\n"
	"Sizes are written as `64MiB`, `512KiB` or a number of bytes, durations as `500ms`, `10s`, "
	"`5m`,\n"
	"`24h`, `7d` or a number of milliseconds. Secrets never stand in the file: they are given "
	"as\n"
	"`{ env: NAME }` or `{ file: /path }`. Sources, projects, tools and tokens are no options; "
	"they are\n"
	"set by the API and kept in PostgreSQL.\n\n"
	"Generated from `src/base/options.h` by `callmend_docgen`; edit there.\n\n";

void config_write_docs(struct buf *out)
{
	struct span section = { 0 };
	buf_addz(out, intro);
	buf_addz(out, "## Node\n\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &config_options[i];
		if (!span_eq(section, section_of(o))) {
			section = section_of(o);
			buf_printf(out, "## %.*s\n\n", SPAN_ARG(section));
		}
		write_option(o, out);
	}
	out->n--; /* one line end at the end */
}

enum { WIDTH = 96 };

/* Comment lines, broken at blanks. */
static void write_comment(const char *text, const char *indent, struct buf *out)
{
	while (*text) {
		size_t n = strlen(text), room = WIDTH - strlen(indent) - 2;
		if (n > room)
			for (n = room; n > 0 && text[n] != ' '; n--)
				continue;
		buf_printf(out, "%s# %.*s\n", indent, (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static void write_example_value(const struct option *o, const char *indent, struct buf *out)
{
	const char *name = name_in_section(o);
	if (o->type == OPTION_SECRET)
		buf_printf(out, "%s# %s: { env: NAME }\n", indent, name);
	else if (!*o->default_text)
		buf_printf(out, "%s# %s:\n", indent, name);
	else
		buf_printf(out, "%s%s: %s\n", indent, name, o->default_text);
}

void config_write_example(struct buf *out)
{
	struct span section = { 0 };
	buf_addz(
		out,
		"# Every option with its default; lines that start with a # and a name have none.\n"
		"# Generated from src/base/options.h by callmend_docgen; docs/configuration.md "
		"says more.\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &config_options[i];
		buf_addc(out, '\n');
		if (!span_eq(section, section_of(o))) {
			section = section_of(o);
			buf_printf(out, "%.*s:\n", SPAN_ARG(section));
		}
		const char *indent = section.n ? "  " : "";
		write_comment(o->doc, indent, out);
		write_example_value(o, indent, out);
	}
}
