/* Happy path: defaults, file, environment, then what depends on several options.
 *
 * Failure modes: what is wrong with one option is noted and the rest is read on, so that one run
 * shows every mistake. Only text that is no YAML ends the reading of the file, because nothing
 * behind it has a known place. */
#include "base/config.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

#include "base/config_internal.h"
#include "base/file.h"

enum { FILE_LIMIT = 1 << 20, NAME_LIMIT = 64 };

static const char in_environment[] = "environment";

struct origin {
	const char *file; /* NULL: the default */
	unsigned line;
};

struct loader {
	struct config *c;
	const char *file;
	yaml_document_t *doc;
	const struct config_mistake **last;
	struct origin origin[OPTION_COUNT];
};

/* --- mistakes --- */

static void note(struct loader *l, struct origin at, const char *path, struct buf *text)
{
	struct arena *a = &l->c->arena;
	struct config_mistake *m = arena_alloc(a, sizeof(*m));
	m->file = at.file;
	m->line = at.line;
	m->path = arena_copy(a, span_of(path)).p;
	m->text = arena_copy(a, buf_span(text)).p;
	*l->last = m;
	l->last = &m->next;
	l->c->mistakes_n++;
}

static void note_z(struct loader *l, struct origin at, const char *path, const char *text)
{
	struct buf b AUTO_BUF = { 0 };
	buf_addz(&b, text);
	note(l, at, path, &b);
}

static void write_mistake(const struct config_mistake *m, struct buf *out)
{
	buf_addz(out, m->file);
	if (m->line)
		buf_printf(out, ":%u", m->line);
	buf_printf(out, ": %s%s%s", m->path, *m->path ? ": " : "", m->text);
}

void config_write_mistakes(const struct config *c, struct buf *out)
{
	for (const struct config_mistake *m = c->mistakes; m; m = m->next) {
		write_mistake(m, out);
		buf_addc(out, '\n');
	}
}

/* --- suggestions --- */

static unsigned least3(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* How many letters to change, insert or drop to get from one name to the other. */
static unsigned distance(const char *from, const char *to)
{
	unsigned row[NAME_LIMIT + 1];
	size_t n = strlen(to);
	if (n > NAME_LIMIT || strlen(from) > NAME_LIMIT)
		return UINT_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; from[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned change = diagonal + (from[i - 1] != to[j - 1]);
			diagonal = row[j];
			row[j] = least3(change, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[n];
}

/* The last part of a name is what people remember: "port" may mean listen.port. */
static const char *nearest(const char *path)
{
	const char *best = NULL;
	unsigned best_distance = (unsigned)strlen(path) / 3 + 1;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *candidate = config_options[i].path;
		const char *tail = strrchr(candidate, '.');
		unsigned d = distance(path, candidate);
		if (tail && strcmp(path, tail + 1) == 0)
			d = 1;
		if (d <= best_distance && (!best || d < best_distance)) {
			best = candidate;
			best_distance = d;
		}
	}
	return best;
}

static void note_unknown(struct loader *l, struct origin at, const char *path)
{
	const char *guess = nearest(path);
	struct buf b AUTO_BUF = { 0 };
	buf_addz(&b, "unknown option");
	if (guess && strcmp(guess, path) == 0)
		buf_printf(&b, "; names are nested, not dotted");
	else if (guess)
		buf_printf(&b, "; did you mean %s?", guess);
	note(l, at, path, &b);
}

/* --- one option --- */

static void *member_of(struct loader *l, const struct option *o)
{
	return (char *)l->c + o->offset;
}

static bool in_limits(const struct option *o, const void *value)
{
	const struct option_kind *kind = &config_kinds[o->type];
	if (!kind->measure)
		return true;
	int64_t n = kind->measure(value);
	return n >= o->limits.least && n <= o->limits.most;
}

static void note_value(struct loader *l, struct origin at, const struct option *o, const char *text,
		       const char *prefix)
{
	struct buf b AUTO_BUF = { 0 };
	const struct option_kind *kind = &config_kinds[o->type];
	buf_printf(&b, "%sexpected %s", prefix, o->limits.choices ? "" : kind->expect);
	if (!o->limits.choices)
		buf_addz(&b, ", ");
	config_write_limits(o, &b);
	buf_printf(&b, "; found \"%.80s\"", text);
	note(l, at, o->path, &b);
}

/* A value that is wrong leaves the member as it was (the default). */
static void set_text(struct loader *l, struct origin at, const struct option *o, const char *text,
		     const char *prefix)
{
	union {
		const char *text;
		int64_t number;
		int choice;
	} value = { 0 };
	bool ok = config_kinds[o->type].parse(o, text, &l->c->arena, &value);
	if (!ok || !in_limits(o, &value)) {
		note_value(l, at, o, text, prefix);
		return;
	}
	config_kinds[o->type].parse(o, text, &l->c->arena, member_of(l, o));
	l->origin[o - config_options] = at;
}

static void set_defaults(struct loader *l)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &config_options[i];
		if (o->type != OPTION_SECRET)
			set_text(l, (struct origin){ 0 }, o, o->default_text, "");
	}
	CHECK(l->c->mistakes_n == 0);
}

/* --- the file --- */

static struct origin place_of(const struct loader *l, const yaml_node_t *node)
{
	return (struct origin){ l->file, (unsigned)node->start_mark.line + 1 };
}

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* libyaml ends scalars with a zero, but they may hold others. */
static bool is_plain_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && strlen(scalar(node)) == node->data.scalar.length;
}

static bool is_null(const yaml_node_t *node)
{
	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return !*scalar(node) || !strcmp(scalar(node), "~") || !strcmp(scalar(node), "null");
}

static const char *node_kind(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE ? "a mapping" : "a list";
}

static void set_scalar(struct loader *l, const struct option *o, const yaml_node_t *node)
{
	struct buf b AUTO_BUF = { 0 };
	if (node->type != YAML_SCALAR_NODE) {
		buf_printf(&b, "expected %s, found %s", config_kinds[o->type].expect,
			   node_kind(node));
		note(l, place_of(l, node), o->path, &b);
	} else if (!is_plain_text(node)) {
		note_z(l, place_of(l, node), o->path, "a zero byte is not allowed");
	} else if (is_null(node)) {
		note_z(l, place_of(l, node), o->path,
		       "no value; leave the line out to get the default");
	} else {
		set_text(l, place_of(l, node), o, scalar(node), "");
	}
}

static const char secret_form[] =
	"a secret is never written here; give its place: { env: NAME } or { file: /path }";

/* { env: NAME } or { file: /path }. */
static void set_secret(struct loader *l, const struct option *o, const yaml_node_t *node)
{
	struct origin at = place_of(l, node);
	if (node->type != YAML_MAPPING_NODE ||
	    node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1) {
		note_z(l, at, o->path, secret_form);
		return;
	}
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	const yaml_node_t *key = yaml_document_get_node(l->doc, pair->key);
	const yaml_node_t *value = yaml_document_get_node(l->doc, pair->value);
	bool ok = is_plain_text(key) && is_plain_text(value) && !is_null(value) && *scalar(value);
	struct secret_ref ref = { 0 };
	if (ok && strcmp(scalar(key), "env") == 0 && config_is_env_name(scalar(value)))
		ref.place = SECRET_IN_ENV;
	if (ok && strcmp(scalar(key), "file") == 0)
		ref.place = SECRET_IN_FILE;
	if (ref.place == SECRET_ABSENT) {
		note_z(l, at, o->path, secret_form);
		return;
	}
	ref.name = arena_copy(&l->c->arena, span_of(scalar(value))).p;
	*(struct secret_ref *)member_of(l, o) = ref;
	l->origin[o - config_options] = at;
}

static const struct option *find_option(const char *path)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strcmp(config_options[i].path, path) == 0)
			return &config_options[i];
	return NULL;
}

static bool is_section(const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strncmp(config_options[i].path, path, n) == 0 &&
		    config_options[i].path[n] == '.')
			return true;
	return false;
}

static void read_mapping(struct loader *l, const yaml_node_t *node, const char *prefix);

static void read_section(struct loader *l, const yaml_node_t *node, const char *path)
{
	if (node->type == YAML_MAPPING_NODE)
		read_mapping(l, node, path);
	else if (node->type != YAML_SCALAR_NODE || !is_null(node))
		note_z(l, place_of(l, node), path, "expected the options of this section");
}

/* The line of an earlier pair with the same key, or 0. */
static unsigned earlier_line(struct loader *l, const yaml_node_t *mapping,
			     const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(l->doc, pair->key);
	for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
		const yaml_node_t *other = yaml_document_get_node(l->doc, p->key);
		if (is_plain_text(other) && strcmp(scalar(other), scalar(key)) == 0)
			return (unsigned)other->start_mark.line + 1;
	}
	return 0;
}

/* `in_section` is "" at the top. Sections are one deep, so is the recursion (aliases cannot make it
 * deeper). */
static void read_pair(struct loader *l, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
		      const char *in_section)
{
	const yaml_node_t *key = yaml_document_get_node(l->doc, pair->key);
	const yaml_node_t *value = yaml_document_get_node(l->doc, pair->value);
	struct buf path AUTO_BUF = { 0 };
	if (!is_plain_text(key)) {
		note_z(l, place_of(l, key), in_section, "expected the name of an option");
		return;
	}
	buf_printf(&path, "%s%s%s", in_section, *in_section ? "." : "", scalar(key));
	unsigned earlier = earlier_line(l, mapping, pair);
	if (earlier) {
		struct buf b AUTO_BUF = { 0 };
		buf_printf(&b, "given twice, first on line %u", earlier);
		note(l, place_of(l, key), buf_z(&path), &b);
		return;
	}
	bool dotted = strchr(scalar(key), '.') != NULL;
	const struct option *o = dotted ? NULL : find_option(buf_z(&path));
	if (o && o->type == OPTION_SECRET)
		set_secret(l, o, value);
	else if (o)
		set_scalar(l, o, value);
	else if (!*in_section && is_section(buf_z(&path)))
		read_section(l, value, buf_z(&path));
	else
		note_unknown(l, place_of(l, key), buf_z(&path));
}

static void read_mapping(struct loader *l, const yaml_node_t *node, const char *in_section)
{
	const yaml_node_pair_t *top = node->data.mapping.pairs.top;
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < top; p++)
		read_pair(l, node, p, in_section);
}

static void read_document(struct loader *l)
{
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);
	if (!root || (root->type == YAML_SCALAR_NODE && is_null(root)))
		return;
	if (root->type == YAML_MAPPING_NODE)
		read_mapping(l, root, "");
	else
		note_z(l, place_of(l, root), "", "expected options as \"name: value\"");
}

static void note_yaml(struct loader *l, const yaml_parser_t *parser)
{
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b, "no valid YAML: %s%s%s", parser->context ? parser->context : "",
		   parser->context ? ", " : "", parser->problem ? parser->problem : "unknown");
	struct origin at = { l->file, (unsigned)parser->problem_mark.line + 1 };
	note(l, at, "", &b);
}

/* True when there was a document and the next may be asked for. */
static bool read_next_document(struct loader *l, yaml_parser_t *parser, int number)
{
	yaml_document_t doc;
	if (!yaml_parser_load(parser, &doc)) {
		note_yaml(l, parser);
		return false;
	}
	const yaml_node_t *root = yaml_document_get_root_node(&doc);
	l->doc = &doc;
	if (root && number == 1)
		read_document(l);
	else if (root)
		note_z(l, place_of(l, root), "", "only one YAML document is read");
	l->doc = NULL;
	yaml_document_delete(&doc);
	return root && number == 1;
}

static int read_file(struct loader *l, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	TRY(file_read(l->file, FILE_LIMIT, &text, f));
	yaml_parser_t parser;
	CHECK(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)buf_z(&text), text.n);
	for (int number = 1; read_next_document(l, &parser, number); number++)
		continue;
	yaml_parser_delete(&parser);
	return 0;
}

/* --- the environment --- */

static const char *env_value(char *const *env, const char *name)
{
	size_t n = strlen(name);
	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return "";
}

static void read_environment(struct loader *l, char *const *env)
{
	const struct origin at = { in_environment, 0 };
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &config_options[i];
		struct buf name AUTO_BUF = { 0 }, prefix AUTO_BUF = { 0 };
		config_env_name(o, &name);
		const char *value = env_value(env, buf_z(&name));
		if (!*value)
			continue;
		if (o->type == OPTION_SECRET) {
			*(struct secret_ref *)member_of(l, o) =
				(struct secret_ref){ SECRET_IN_ENV,
						     arena_copy(&l->c->arena, buf_span(&name)).p };
			continue;
		}
		buf_printf(&prefix, "%s: ", buf_z(&name));
		set_text(l, at, o, value, buf_z(&prefix));
	}
}

/* --- what depends on several options --- */

static void make_absolute(struct loader *l, const char **path)
{
	char here[PATH_MAX];
	if (**path == '/')
		return;
	CHECK(getcwd(here, sizeof(here)));
	const char *rest = strncmp(*path, "./", 2) == 0 ? *path + 2 : *path;
	*path = arena_printf(&l->c->arena, "%s/%s", strcmp(here, "/") == 0 ? "" : here, rest);
}

static void finish(struct loader *l)
{
	struct config *c = l->c;
	make_absolute(l, &c->state_dir);
	if (!*c->secrets_dir)
		c->secrets_dir = arena_printf(&c->arena, "%s/secrets", c->state_dir);
	make_absolute(l, &c->secrets_dir);
	if (!*c->recording_folder)
		c->recording_folder = arena_printf(&c->arena, "%s/recordings", c->state_dir);
	make_absolute(l, &c->recording_folder);
	if (*c->tls_ca_file)
		make_absolute(l, &c->tls_ca_file);
	if (*c->public_url && strncmp(c->public_url, "http://", 7) != 0 &&
	    strncmp(c->public_url, "https://", 8) != 0)
		note_z(l, l->origin[OPTION_INDEX_public_url], "public_url",
		       "expected a URL that starts with http:// or https://");
	/* Whichever of the two was given; defaults fit each other. */
	struct origin cap = l->origin[OPTION_INDEX_journal_disk_cap_bytes];
	if (c->journal_disk_cap_bytes / 2 < c->journal_segment_bytes)
		note_z(l, cap.file ? cap : l->origin[OPTION_INDEX_journal_segment_bytes],
		       "journal.disk_cap_bytes", "must hold at least two of journal.segment_bytes");
}

static int verdict(const struct config *c, struct fault *f)
{
	if (!c->mistakes)
		return 0;
	struct buf b AUTO_BUF = { 0 };
	write_mistake(c->mistakes, &b);
	if (c->mistakes_n > 1)
		buf_printf(&b, " (and %zu more)", c->mistakes_n - 1);
	return fault(f, E_INVALID, "%s", buf_z(&b));
}

int config_load(struct config *c, const char *file, char *const *env, struct fault *f)
{
	*c = (struct config){ 0 };
	struct loader l = { .c = c, .last = &c->mistakes };
	set_defaults(&l);
	if (file) {
		l.file = arena_copy(&c->arena, span_of(file)).p;
		TRY(read_file(&l, f));
	}
	if (env)
		read_environment(&l, env);
	finish(&l);
	return verdict(c, f);
}

void config_fini(struct config *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	*c = (struct config){ 0 };
}
