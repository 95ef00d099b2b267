/* A folder of the test program's own, for its group's setup and teardown. */
#ifndef CALLMEND_TESTS_RECORD_FOLDER_H
#define CALLMEND_TESTS_RECORD_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/callmend-record-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#endif
