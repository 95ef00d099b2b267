/* make_cluster FOLDER: a PostgreSQL with every migration applied, stopped, in FOLDER/postgres/data.
 * Tests that only want a database copy it (CALLMEND_TEST_CLUSTER). */
#include <stdio.h>

#include "base/log.h"
#include "callmend/store.h"

int main(int argc, char **argv)
{
	struct cluster *cluster = NULL;
	struct fault f = { 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: make_cluster FOLDER\n");
		return 2;
	}
	log_init(LOG_ERROR, LOG_TEXT);
	int rc = cluster_start(&cluster, argv[1], &f);
	if (rc == 0)
		rc = store_migrate(cluster_url(cluster), NULL, &f);
	if (rc)
		fprintf(stderr, "make_cluster: %s\n", f.text);
	cluster_stop(cluster);
	return rc ? 1 : 0;
}
