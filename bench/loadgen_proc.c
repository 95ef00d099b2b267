#include "loadgen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void give_up(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t proc_cpu_ns(int pid)
{
	char path[64];
	int64_t sum = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	if (!dir)
		give_up("process %d: %s", pid, strerror(errno));
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char file[400];
		long long ns = 0;
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
		FILE *f = fopen(file, "re");
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return sum;
}

int64_t proc_rss_bytes(int pid)
{
	char path[64], line[256];
	long long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmRSS: %lld", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb * 1024;
}

void samples_add(struct samples *s, int64_t ns)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4096;
		s->v = realloc(s->v, s->cap * sizeof(s->v[0]));
		if (!s->v)
			give_up("out of memory");
	}
	s->v[s->n++] = ns;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

double samples_ms(struct samples *s, double quantile)
{
	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(s->v[0]), compare);
	size_t i = (size_t)(quantile * (double)(s->n - 1) + 0.5);
	return (double)s->v[i] / 1e6;
}

void disk_probe(const char *dir, size_t bytes, unsigned count, struct samples *out)
{
	char path[4096];
	char *block = calloc(1, bytes);
	snprintf(path, sizeof(path), "%s/fdatasync-probe", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !block || posix_fallocate(fd, 0, (off_t)(bytes * count)))
		give_up("%s: %s", path, strerror(errno));
	fsync(fd);
	for (unsigned i = 0; i < count; i++) {
		int64_t start = now_ns();
		memset(block, (int)i, bytes);
		if (pwrite(fd, block, bytes, (off_t)(i * bytes)) != (ssize_t)bytes || fdatasync(fd))
			give_up("%s: %s", path, strerror(errno));
		samples_add(out, now_ns() - start);
	}
	close(fd);
	unlink(path);
	free(block);
}
