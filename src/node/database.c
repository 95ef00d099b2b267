#include "node/database.h"

#include "callmend/store.h"

int database_url(const struct config *c, struct buf *out, struct fault *f)
{
	if (database_is_private(c))
		return cluster_find_url(c->state_dir, out, f);
	TRY(config_secret_resolve(c->database_url, SECRET_BY_OPERATOR, NULL, out, f));
	return 0;
}
