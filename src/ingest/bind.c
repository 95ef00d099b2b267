/* What applies to a new call: the defaults, the project's settings, then the source's, as one BIND
 * body. */
#include "base/log.h"
#include "ingest/lane.h"

/* Numbers in `given` that are settings replace those in `s`. */
static void override(struct settings *s, struct json given)
{
	int64_t v;
#define X(name, dflt, doc)                                                             \
	if (json_i64(json_get(given, #name), &v) && !settings_set_number(s, #name, v)) \
		log_warn("settings", #name " is out of range and left as it is");
	SETTINGS_NUMBERS(X)
#undef X
}

void bind_settings(const struct directory *dir, const struct dir_source *source, struct buf *out)
{
	const struct dir_project *project = directory_project(dir, &source->project);
	const struct dialect *dialect = dialect_find(source->dialect);
	struct arena arena = { 0 };
	struct settings s;

	settings_defaults(&s);
	s.org = source->org;
	s.source = source->id;
	s.source_name = source->name;
	/* Of live audio there are other protocols, and no messages. */
	s.dialect = dialect ? source->dialect : SPAN("audio");
	s.upstream = source->upstream_url.n > 0;
	s.reconcile = source->private_key.value.n > 0 || source->connect.on;
	s.no_session = dialect && dialect->by_session && !source->connect.on;
	if (project) {
		struct tool_rule *rules =
			arena_alloc(&arena, (project->tools_n + 1) * sizeof(*rules));

		for (size_t i = 0; i < project->tools_n; i++)
			rules[i] = project->tools[i].rule;
		s.project = project->id;
		s.project_name = project->name;
		s.language = project->language;
		s.instruction = project->instruction_version;
		s.tools = rules;
		s.tools_n = project->tools_n;
		s.fields = project->fields;
		s.rules = project->rules;
		s.context_inject = project->context_inject;
		override(&s, project->settings);
	}
	override(&s, source->settings);
	settings_write(&s, out);
	arena_fini(&arena);
}
