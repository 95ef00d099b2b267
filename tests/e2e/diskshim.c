/* A disk that obeys the test: LD_PRELOAD this library, name a control folder in DISKSHIM_DIR, and
 * create files there.
 *
 *   hold   fdatasync and fsync of segments (*.seg) wait until the file is gone
 *   fail   they answer EIO, and nothing is synced
 *   keep   recordings of legs (*.wav) cannot be deleted: EACCES
 *   lose   the power goes: everything written to segments since their last completed sync is
 * undone, `lost` is created, the process kills itself
 *
 * It keeps what every write to a segment replaced, until a sync that began after that write has
 * completed. One lock is held while a write is done and noted; `lose` takes it and never gives it
 * back, so nothing is written after the power has gone. Names are not undone: files and their names
 * appear at once, as after an fsync of the folder.
 *
 * Failure modes. What it can't note (no memory, no file) ends the process with a message: a test
 * must not pass because the shim looked away. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { POLL_US = 1000, WATCH_US = 5000 };

/* What one call replaced. Newest first. */
struct undo {
	struct undo *next;
	struct tracked *file;
	uint64_t when;
	off_t offset, size_before;
	size_t n;
	char old[];
};

struct tracked {
	struct tracked *next;
	dev_t dev;
	ino_t ino;
	int fd; /* our own: the program may close its */
};

static struct {
	pthread_mutex_t lock;
	char dir[PATH_MAX];
	struct tracked *files;
	struct undo *log;
	uint64_t clock; /* counts writes and sync starts */
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void give_up(const char *what)
{
	dprintf(STDERR_FILENO, "diskshim: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* --- control --- */

static void control_path(const char *name, char out[PATH_MAX + 16])
{
	snprintf(out, PATH_MAX + 16, "%s/%s", shim.dir, name);
}

static bool asked(const char *name)
{
	char path[PATH_MAX + 16];
	control_path(name, path);
	return shim.dir[0] && syscall(SYS_access, path, F_OK) == 0;
}

static void undo_one(const struct undo *u)
{
	if (u->n && syscall(SYS_pwrite64, u->file->fd, u->old, u->n, u->offset) != (long)u->n)
		give_up("undo a write");
	if (syscall(SYS_ftruncate, u->file->fd, u->size_before) < 0)
		give_up("undo a size");
}

/* With the lock; does not return. */
static void lose_power(void)
{
	char path[PATH_MAX + 16];
	for (const struct undo *u = shim.log; u; u = u->next)
		undo_one(u);
	control_path("lost", path);
	if (syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) < 0)
		give_up("lost");
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void shim_lock(void)
{
	pthread_mutex_lock(&shim.lock);
	if (asked("lose"))
		lose_power();
}

static void shim_unlock(void)
{
	pthread_mutex_unlock(&shim.lock);
}

static void *watch(void *unused)
{
	(void)unused;
	for (;;) {
		usleep(WATCH_US);
		shim_lock();
		shim_unlock();
	}
	return NULL;
}

static void watch_start(void)
{
	sigset_t all, before;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, watch, NULL))
		give_up("watcher");
	pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((constructor)) static void shim_start(void)
{
	const char *dir = getenv("DISKSHIM_DIR");
	if (!dir)
		return;
	snprintf(shim.dir, sizeof(shim.dir), "%s", dir);
	watch_start();
	if (pthread_atfork(shim_lock, shim_unlock, shim_unlock))
		give_up("atfork");
}

/* --- what is tracked --- */

static bool is_segment(int fd)
{
	char link[64], path[PATH_MAX];
	if (!shim.dir[0])
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	long n = syscall(SYS_readlink, link, path, sizeof(path));
	return n > 4 && memcmp(path + n - 4, ".seg", 4) == 0;
}

static struct tracked *tracked(int fd)
{
	struct stat st;
	char link[64];
	if (fstat(fd, &st) < 0)
		give_up("stat");
	for (struct tracked *t = shim.files; t; t = t->next) {
		if (t->dev == st.st_dev && t->ino == st.st_ino)
			return t;
	}
	struct tracked *t = calloc(1, sizeof(*t));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	int own = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
	if (!t || own < 0)
		give_up("open a second time");
	*t = (struct tracked){ .next = shim.files, .dev = st.st_dev, .ino = st.st_ino, .fd = own };
	shim.files = t;
	return t;
}

/* Notes what is in the file at [offset, offset + n) before it changes. With the lock. */
static void note(int fd, off_t offset, size_t n)
{
	struct tracked *t = tracked(fd);
	struct stat st;
	if (fstat(t->fd, &st) < 0)
		give_up("stat");
	size_t old = offset >= st.st_size ? 0 : (size_t)(st.st_size - offset);
	old = old < n ? old : n;
	struct undo *u = malloc(sizeof(*u) + old);
	if (!u)
		give_up("memory");
	*u = (struct undo){ .next = shim.log,
			    .file = t,
			    .when = ++shim.clock,
			    .offset = offset,
			    .size_before = st.st_size,
			    .n = old };
	if (old && syscall(SYS_pread64, t->fd, u->old, old, offset) != (long)old)
		give_up("read what is replaced");
	shim.log = u;
}

static void forget(const struct tracked *file, uint64_t upto)
{
	struct undo **at = &shim.log;
	while (*at) {
		struct undo *u = *at;
		if (u->file == file && u->when <= upto) {
			*at = u->next;
			free(u);
		} else {
			at = &u->next;
		}
	}
}

static size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;
	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* --- calls --- */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Defines a wrapper of a call that changes [at, at + n) of a file. */
#define CHANGES(type, name, params, args, at, n)     \
	type name params;                            \
	type name params                             \
	{                                            \
		__typeof__(&name) real = REAL(name); \
		if (!is_segment(fd))                 \
			return real args;            \
		shim_lock();                         \
		note(fd, at, n);                     \
		type rc = real args;                 \
		int code = errno;                    \
		shim_unlock();                       \
		errno = code;                        \
		return rc;                           \
	}

#define HERE lseek(fd, 0, SEEK_CUR)

CHANGES(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), at, n)
CHANGES(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), at, n)
CHANGES(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), HERE, n)
CHANGES(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), HERE, iov_bytes(v, n))
CHANGES(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), at,
	iov_bytes(v, n))
CHANGES(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), at,
	iov_bytes(v, n))
CHANGES(int, ftruncate, (int fd, off_t size), (fd, size), size, SIZE_MAX)
CHANGES(int, ftruncate64, (int fd, off_t size), (fd, size), size, SIZE_MAX)
CHANGES(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), at, (size_t)n)
CHANGES(int, fallocate64, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), at, (size_t)n)

static void wait_while_held(void)
{
	while (asked("hold")) {
		usleep(POLL_US);
		shim_lock(); /* `lose` comes through here too */
		shim_unlock();
	}
}

static int sync_segment(int fd, int (*real)(int))
{
	wait_while_held();
	if (asked("fail")) {
		errno = EIO;
		return -1;
	}
	shim_lock();
	struct tracked *file = tracked(fd);
	uint64_t upto = shim.clock;
	shim_unlock();
	int rc = real(fd);
	int code = errno;
	shim_lock();
	if (rc == 0)
		forget(file, upto);
	shim_unlock();
	errno = code;
	return rc;
}

int fdatasync(int fd)
{
	return is_segment(fd) ? sync_segment(fd, REAL(fdatasync)) : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
	return is_segment(fd) ? sync_segment(fd, REAL(fsync)) : REAL(fsync)(fd);
}

int unlink(const char *path)
{
	size_t n = strlen(path);
	if (n > 4 && strcmp(path + n - 4, ".wav") == 0 && asked("keep")) {
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
