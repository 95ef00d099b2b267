// A client per media dialect that dials us, and the servers that we dial. docs/media.md has the formats.
import { STREAM_CLIENTS } from './streams.mjs';
import { VapiTranscriberClient } from './vapi.mjs';

export const MEDIA_CLIENTS = { ...STREAM_CLIENTS, 'vapi-transcriber': VapiTranscriberClient };
export { twilioSignature } from './streams.mjs';
export { VapiListenServer, VapiTransportServer } from './vapi.mjs';
export { SimSocket } from './socket.mjs';
export { Playout } from './playout.mjs';
export { cut, travel, walk } from './road.mjs';
