/* What the journal's tests share: folders of their own, records whose content tells their number,
 * and files. */
#ifndef CALLMEND_TESTS_JOURNAL_KIT_H
#define CALLMEND_TESTS_JOURNAL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "journal/journal.h"
#include "journal/segment.h"

enum {
	KIT_SEGMENT = 64 << 10,
	KIT_PATIENCE_MS = 20000, /* a test that waits longer has failed */
};

/* A new folder; freed and removed with kit_remove(). */
char *kit_folder(void);
void kit_remove(char *dir);
char *kit_path(const char *dir, const char *name); /* to be freed */

struct journal_config kit_config(const char *dir);
struct journal *kit_open(const struct journal_config *); /* opened, not started */
struct journal *kit_start(const struct journal_config *);
void kit_wait_durable(struct journal *, uint64_t number);
/* Asks `met` until it says yes; fails the test after KIT_PATIENCE_MS. */
void kit_wait(bool (*met)(void *), void *user, const char *what);

/* Fills in record `number` of a test: kind, call, time and body follow from the number. The body is
 * in `body`. */
struct record kit_record(uint64_t number, size_t body_bytes, struct buf *body);
/* Appends record journal_last() + 1; returns what journal_append said. */
int kit_append(struct journal *, size_t body_bytes);
/* Whether the record is exactly what kit_record() made of its number. */
bool kit_intact(const struct record *);

/* Numbers of the records found; the content of each is checked. */
struct kit_found {
	uint64_t *numbers;
	size_t n;
};
struct kit_found kit_scan(const char *dir);
struct kit_found kit_replay(struct journal *);
bool kit_has(const struct kit_found *, uint64_t number);
void kit_found_free(struct kit_found *);

struct buf kit_read_file(const char *dir, const char *name);
void kit_write_file(const char *dir, const char *name, struct span content);
bool kit_exists(const char *dir, const char *name);
/* Entries of a folder that end in `suffix`; 0 when there is no such folder. */
unsigned kit_count(const char *dir, const char *sub, const char *suffix);

#endif
