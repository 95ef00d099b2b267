/* `callmend demo`: the demo is a program of its own (tools/demo); this only finds and starts it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/verbs.h"

#define DEMO "demo/demo.mjs"

/* From the program's own folder: a build folder inside the source tree, or an installation. */
static const char *const places[] = { "../../../tools/" DEMO, "../../tools/" DEMO, "../tools/" DEMO,
				      "../../../../tools/" DEMO, "../share/callmend/tools/" DEMO };

static bool own_path(struct buf *out)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n > 0)
		buf_add(out, (struct span){ path, (size_t)n });
	return n > 0;
}

static bool try_place(struct buf *out, const char *folder, size_t folder_n, const char *place)
{
	char whole[PATH_MAX];

	buf_clear(out);
	buf_printf(out, "%.*s/%s", (int)folder_n, folder, place);
	if (!realpath(buf_z(out), whole))
		return false;
	buf_clear(out);
	buf_addz(out, whole);
	return true;
}

static bool find_demo(struct buf *out, struct buf *self)
{
	const char *root = getenv("CALLMEND_SOURCE");

	if (root && *root && try_place(out, root, strlen(root), "tools/" DEMO))
		return true;
	if (!own_path(self))
		return false;
	const char *slash = strrchr(buf_z(self), '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		if (try_place(out, self->p, (size_t)(slash - self->p), places[i]))
			return true;
	}
	return try_place(out, CALLMEND_SOURCE_DIR, strlen(CALLMEND_SOURCE_DIR), "tools/" DEMO);
}

int verb_demo(const struct verb_call *v)
{
	struct buf demo AUTO_BUF = { 0 }, self AUTO_BUF = { 0 };

	if (!find_demo(&demo, &self))
		return verb_failed(v, "the demo (tools/" DEMO
				      ") is not here: it comes with the source tree; "
				      "CALLMEND_SOURCE may name its folder");
	const char **argv = calloc((size_t)v->words_n + 3, sizeof(*argv));
	CHECK(argv);
	argv[0] = "node";
	argv[1] = buf_z(&demo);
	for (int i = 0; i < v->words_n; i++)
		argv[i + 2] = v->words[i];
	setenv("CALLMEND_BINARY", self.n ? buf_z(&self) : "callmend", 0);
	execvp("node", (char *const *)(void *)argv);
	int why = errno;
	free(argv);
	return verb_failed(v, "cannot start node for %s: %s%s", buf_z(&demo), strerror(why),
			   why == ENOENT ? " (package nodejs)" : "");
}
