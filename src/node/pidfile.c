#include "node/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

static int pid_in_file(const char *state_dir, const char *role)
{
	char path[4200];
	struct buf text AUTO_BUF = { 0 };

	snprintf(path, sizeof(path), "%s/run/%s.pid", state_dir, role);
	return file_read(path, 32, &text, NULL) ? 0 : atoi(buf_z(&text));
}

int pidfile_lock(const char *state_dir, const char *role, int *fd, struct fault *f)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/run", state_dir);
	TRY(file_make_dir(path, 0755, f));
	snprintf(path, sizeof(path), "%s/run/%s.lock", state_dir, role);
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return fault(f, E_IO, "%s: %s", path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
		*fd = lock;
		return 0;
	}
	close(lock);
	return fault(f, E_CONFLICT, "another callmend (pid %d) runs with the state folder %s",
		     pid_in_file(state_dir, role), state_dir);
}
