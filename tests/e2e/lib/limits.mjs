// Loaded into every test file by ./dev test (node --import): a file ends, whatever its tests have left open. A test that fails before
// it closes its servers would hold its process, and with it the whole run, for ever.
import { after } from 'node:test';

const FILE_MS = 600000; // four times what the longest takes under load
const OPEN_MS = 60000; // for what still closes itself when the last test is over

const end = (ms, what) => setTimeout(() => {
  console.error(`${process.argv[1]}: ${what}, still open: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(process.exitCode || 1);
}, ms).unref();

// The runner itself, which loads this too, lasts as long as all files together.
if (process.env.NODE_TEST_CONTEXT) {
  end(FILE_MS, `not over after ${FILE_MS / 1000} s`);
  after(() => end(OPEN_MS, `its tests are over for ${OPEN_MS / 1000} s`));
}
