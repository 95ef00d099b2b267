#include "loadgen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static void find_marks(struct body *b, const char *name)
{
	const char *end = b->text + b->n, *at = b->text;
	b->token = SIZE_MAX;
	for (;;) {
		at = memmem(at, (size_t)(end - at), CALL_MARK, CALL_MARK_LEN);
		if (!at)
			break;
		if (b->calls_n == PATCHES_MAX)
			give_up("%s: more than %d places with the call's id", name, PATCHES_MAX);
		b->calls[b->calls_n++] = (size_t)(at - b->text);
		at += CALL_MARK_LEN;
	}
	if (!b->calls_n)
		give_up("%s: no call id", name);
	at = memmem(b->text, b->n, TOKEN_MARK, TOKEN_LEN);
	if (at)
		b->token = (size_t)(at - b->text);
}

static void body_load(struct body *b, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		give_up("%s: %s", path, strerror(errno));
	b->n = (size_t)st.st_size;
	b->text = malloc(b->n + 1);
	if (!b->text || read(fd, b->text, b->n) != (ssize_t)b->n)
		give_up("%s: cannot read", path);
	close(fd);
	find_marks(b, path);
}

static int is_json(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');
	return dot && strcmp(dot, ".json") == 0;
}

static int compare_sizes(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return x < y ? -1 : x > y;
}

void script_load(struct script *s, const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_json, alphasort);
	if (n <= 0)
		give_up("%s: no bodies", dir);
	*s = (struct script){ .n = (size_t)n, .bodies = calloc((size_t)n, sizeof(struct body)) };
	size_t *sizes = calloc((size_t)n, sizeof(*sizes));
	if (!s->bodies || !sizes)
		give_up("out of memory");
	for (size_t i = 0; i < s->n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		body_load(&s->bodies[i], path);
		sizes[i] = s->bodies[i].n;
		free(names[i]);
	}
	free(names);
	qsort(sizes, s->n, sizeof(*sizes), compare_sizes);
	s->median = sizes[s->n / 2];
	s->largest = sizes[s->n - 1];
	free(sizes);
}

void body_patch(struct body *b, const char *call, uint64_t token)
{
	for (size_t i = 0; i < b->calls_n; i++)
		memcpy(b->text + b->calls[i], call, CALL_MARK_LEN);
	if (b->token == SIZE_MAX)
		return;
	char text[TOKEN_LEN + 8];
	snprintf(text, sizeof(text), TOKEN_PREFIX "%010llu",
		 (unsigned long long)(token % 10000000000ULL));
	memcpy(b->text + b->token, text, TOKEN_LEN);
}

/* --- HTTP --- */

static size_t content_length(const char *head, size_t n)
{
	static const char name[] = "content-length:";
	for (size_t i = 0; i + sizeof(name) < n; i++) {
		if ((i == 0 || head[i - 1] == '\n') &&
		    strncasecmp(head + i, name, sizeof(name) - 1) == 0)
			return strtoul(head + i + sizeof(name) - 1, NULL, 10);
	}
	return SIZE_MAX;
}

size_t http_answer(const char *text, size_t n, int *status)
{
	const char *end = memmem(text, n, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - text) + 4;
	if (sscanf(text, "HTTP/1.1 %d", status) != 1)
		give_up("not an HTTP answer: %.60s", text);
	if (*status == 101)
		return head;
	size_t length = content_length(text, head);
	if (length == SIZE_MAX)
		give_up("an answer without content-length: %.*s", (int)head, text);
	return head + length <= n ? head + length : 0;
}

/* --- WebSocket --- */

size_t ws_frame(const char *text, size_t n, const char **payload, size_t *payload_n, int *opcode)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t head = 2, length;
	if (n < 2)
		return 0;
	*opcode = p[0] & 15;
	length = p[1] & 127;
	size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
	head += extra;
	if (n < head)
		return 0;
	if (extra) {
		length = 0;
		for (size_t i = 0; i < extra; i++)
			length = length << 8 | p[2 + i];
	}
	if (n < head + length)
		return 0;
	*payload = text + head;
	*payload_n = length;
	return head + length;
}

size_t ws_text(const char *text, char *out, size_t room)
{
	static const unsigned char mask[4] = { 7, 31, 77, 131 };
	size_t n = strlen(text);
	if (n > 125 || room < n + 6)
		give_up("the message for the watcher's socket is too long");
	out[0] = (char)0x81;
	out[1] = (char)(0x80 | n);
	memcpy(out + 2, mask, 4);
	for (size_t i = 0; i < n; i++)
		out[6 + i] = (char)(text[i] ^ mask[i % 4]);
	return n + 6;
}
