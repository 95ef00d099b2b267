/* Happy path of a replacement: write a temporary file beside the target, fsync it, rename it over
 * the target, fsync the folder. Failure modes: any step before the rename leaves the old file as
 * it was and removes the temporary one; a crash may leave a `.tmp-` file, which nobody reads. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int io_fault(struct fault *f, const char *what, const char *path)
{
	int code = errno == ENOENT ? E_NOT_FOUND : errno == EACCES ? E_DENIED : E_IO;
	return fault(f, code, "%s %s: %s", what, path, strerror(errno));
}

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define AUTO_FD __attribute__((cleanup(fd_close)))

/* Reads to the end of file rather than by st_size: /proc and pipes have none. */
static int read_all(int fd, const char *path, size_t limit, struct buf *out, struct fault *f)
{
	size_t start = out->n;
	for (;;) {
		buf_reserve(out, 4096);
		ssize_t n = read(fd, out->p + out->n, out->cap - out->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_fault(f, "read", path);
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		if (out->n - start > limit)
			return fault(f, E_TOO_LARGE, "%s: more than %zu bytes", path, limit);
	}
}

int file_read(const char *path, size_t limit, struct buf *out, struct fault *f)
{
	size_t start = out->n;
	int fd AUTO_FD = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return io_fault(f, "open", path);
	int rc = read_all(fd, path, limit, out, f);
	if (rc)
		out->n = start;
	return rc;
}

static int write_all(int fd, const char *path, struct span content, struct fault *f)
{
	while (content.n > 0) {
		ssize_t n = write(fd, content.p, content.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_fault(f, "write", path);
		content = span_from(content, (size_t)n);
	}
	return 0;
}

static int write_temporary(char *path, mode_t mode, struct span content, struct fault *f)
{
	int fd AUTO_FD = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return io_fault(f, "create", path);
	if (fchmod(fd, mode) != 0)
		return io_fault(f, "chmod", path);
	TRY(write_all(fd, path, content, f));
	return fsync(fd) == 0 ? 0 : io_fault(f, "fsync", path);
}

static int sync_folder_of(const char *path, struct fault *f)
{
	struct buf folder AUTO_BUF = { 0 };
	const char *slash = strrchr(path, '/');
	if (slash)
		buf_add(&folder, (struct span){ path, (size_t)(slash - path) + 1 });
	else
		buf_addz(&folder, ".");
	int fd AUTO_FD = open(buf_z(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return io_fault(f, "open", folder.p);
	return fsync(fd) == 0 ? 0 : io_fault(f, "fsync", folder.p);
}

int file_replace(const char *path, mode_t mode, struct span content, struct fault *f)
{
	struct buf temporary AUTO_BUF = { 0 };
	buf_printf(&temporary, "%s.tmp-XXXXXX", path);
	buf_z(&temporary);
	int rc = write_temporary(temporary.p, mode, content, f);
	if (rc == 0 && rename(temporary.p, path) != 0)
		rc = io_fault(f, "rename to", path);
	if (rc) {
		unlink(temporary.p);
		return rc;
	}
	return sync_folder_of(path, f);
}

static int make_one(const char *path, mode_t mode, struct fault *f)
{
	struct stat st;
	if (mkdir(path, mode) == 0)
		return 0;
	/* Some systems answer EROFS or EACCES for folders that exist: look rather than guess. */
	int why = errno;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = why;
	return io_fault(f, "mkdir", path);
}

int file_make_dir(const char *path, mode_t mode, struct fault *f)
{
	struct buf b AUTO_BUF = { 0 };
	buf_addz(&b, path);
	buf_z(&b);
	while (b.n > 1 && b.p[b.n - 1] == '/')
		b.p[--b.n] = '\0';
	if (b.n == 0)
		return fault(f, E_INVALID, "an empty folder name");
	for (size_t i = 1; i < b.n; i++) {
		if (b.p[i] != '/')
			continue;
		b.p[i] = '\0';
		TRY(make_one(b.p, 0755, f));
		b.p[i] = '/';
	}
	return make_one(b.p, mode, f);
}
