/* Appends to a journal as fast as it can and reports on stdout, as pairs of numbers {last given,
 * durable}, whenever something has become durable. Ends with 3 when the journal has failed.
 * Arguments: folder, segment bytes. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "journal_kit.h"

static struct journal *journal;

static void report(uint64_t durable)
{
	uint64_t pair[2] = { journal_last(journal), durable };
	if (write(STDOUT_FILENO, pair, sizeof(pair)) != sizeof(pair))
		_exit(4);
}

static void on_durable(void *user, uint64_t number)
{
	(void)user;
	report(number);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	struct fault f = { 0 };
	log_init(LOG_ERROR, LOG_TEXT);
	struct journal_config config = kit_config(argv[1]);
	config.segment_bytes = strtoull(argv[2], NULL, 10);
	config.on_durable = on_durable;
	config.memory_bytes = 256 << 10;
	if (journal_open(&journal, &config, &f) || journal_start(journal, &f)) {
		fprintf(stderr, "appender: %s\n", f.text);
		return 1;
	}
	unsigned refused = 0;
	while (!journal_failed(journal)) {
		uint64_t next = journal_last(journal) + 1;
		if (kit_append(journal, next % 50 ? next % 300 : 9000) != E_FULL)
			continue;
		if (refused++ % 1000 == 0) /* how far it came, for those who hold the disk */
			report(journal_durable(journal));
		sched_yield();
	}
	journal_free(journal);
	return 3;
}
