#include "node/pidfile.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

void pidfile_write(const char *state_dir, const char *role, pid_t pid)
{
	char path[4200], text[32];
	struct fault f;

	snprintf(path, sizeof(path), "%s/run", state_dir);
	if (file_make_dir(path, 0755, &f)) {
		log_warn("pid", "%s", f.text);
		return;
	}
	snprintf(path, sizeof(path), "%s/run/%s.pid", state_dir, role);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	if (file_replace(path, 0644, span_of(text), &f))
		log_warn("pid", "%s", f.text);
}

void pidfile_remove(const char *state_dir, const char *role)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/run/%s.pid", state_dir, role);
	unlink(path);
}
