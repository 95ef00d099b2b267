// The simulator as a library: see tools/README.md.
export { RingCentralSim } from './platform.mjs';
export { SCENARIOS, randomScript } from './calls.mjs';
export { COMPANY } from './account.mjs';
export { isGone } from './session.mjs';
export { RingCxStream } from './stream.mjs';
export { AgentSessionClient } from './agent_session.mjs';
export { readTalk, streamMessages, framesOf, PEOPLE, TALKS } from './talk.mjs';
export { GrpcWire, RawWire, grpcClient, rawSession, grpcTools } from './grpc.mjs';
