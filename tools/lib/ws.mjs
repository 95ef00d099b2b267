// The `ws` package: found by NODE_PATH or npm, else where Debian's node-ws puts it.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

function find() {
  try {
    return require('ws');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND')
      throw error;
    return require('/usr/share/nodejs/ws');
  }
}

export default find();
