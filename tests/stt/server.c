#include "tests/stt/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/simple_client.h"

static pid_t server;
static FILE *to_server, *from_server;
char server_url[100];

static void launch(void)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	server = fork();
	assert_true(server >= 0);
	if (!server) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		execlp("node", "node", STT_SERVERS, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	to_server = fdopen(in[1], "w");
	from_server = fdopen(out[0], "r");
}

static void tell_server(const char *line, char *answer, int size)
{
	if (!server)
		launch();
	fprintf(to_server, "%s\n", line);
	fflush(to_server);
	assert_non_null(fgets(answer, size, from_server));
}

void server_stop(void)
{
	char answer[100];

	tell_server("stop", answer, sizeof(answer));
}

void server_start(const char *arguments)
{
	char answer[140];

	tell_server(arguments, answer, sizeof(answer));
	assert_int_equal(sscanf(answer, "stt at %99s", server_url), 1);
}

int server_end(void **state)
{
	(void)state;
	fclose(to_server); /* which ends it */
	fclose(from_server);
	return waitpid(server, NULL, 0) == server ? 0 : -1;
}

const char *server_state(void)
{
	static struct buf answer;
	char at[140];
	int status;
	struct fault f;

	snprintf(at, sizeof(at), "%.*s/state", (int)strlen(server_url) - 3, server_url);
	const struct simple_request r = { .url = at,
					  .timeout_ms = 5000,
					  .response_limit = 1 << 20 };
	buf_clear(&answer);
	assert_int_equal(0, simple_client_send(&r, &status, &answer, &f));
	return buf_z(&answer);
}

unsigned times_in(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}
