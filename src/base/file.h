/* Whole small files: read with a limit, replaced atomically (temporary file, fsync, rename, fsync
 * of the folder). */
#ifndef CALLMEND_BASE_FILE_H
#define CALLMEND_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "callmend/fault.h"

MUST int file_read(const char *path, size_t limit, struct buf *out, struct fault *f);
MUST int file_replace(const char *path, mode_t mode, struct span content, struct fault *f);
/* mkdir -p with this mode for the last folder. */
MUST int file_make_dir(const char *path, mode_t mode, struct fault *f);

#endif
