/* tools/stt-sim for tests: a process of its own, that is one server after the other. */
#ifndef CALLMEND_TESTS_STT_SERVER_H
#define CALLMEND_TESTS_STT_SERVER_H

/* Of the server that runs: "http://127.0.0.1:1234/v1". */
extern char server_url[100];

/* A list of arguments of sim.mjs; instead of the one before. */
void server_start(const char *arguments);
void server_stop(void);
/* What it was sent and heard; valid until the next call. */
const char *server_state(void);
/* A group teardown of cmocka. */
int server_end(void **state);
/* How often `word` is in a text. */
unsigned times_in(const char *text, const char *word);

#endif
