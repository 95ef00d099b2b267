// Vapi's wire format: the objects that its messages are made of, and the messages themselves. Pure: times, ids and history come in.
// Bodies carry what real ones do: the whole assistant with prompt and tools, the call with its stale status and control URL, the phone
// number with its secrets, and the history so far in four copies.

const iso = (ms) => new Date(ms).toISOString();

export const SERVER_MESSAGES = [
  'assistant.started', 'assistant.speechStarted', 'conversation-update', 'end-of-call-report', 'hang',
  'language-change-detected', 'model-output', 'speech-update', 'status-update', 'transcript', 'tool-calls',
  'transfer-destination-request', 'handoff-destination-request', 'transfer-update', 'user-interrupted', 'voice-input',
];

// What Vapi sends when nothing is chosen: no transcript, no model-output.
export const DEFAULT_SERVER_MESSAGES = [
  'conversation-update', 'end-of-call-report', 'function-call', 'hang', 'speech-update', 'status-update', 'tool-calls',
  'transfer-destination-request', 'handoff-destination-request', 'user-interrupted', 'assistant.started',
];

export function assistantConfig({ id, scenario, server, subscribed, at, orgId }) {
  const { assistant } = scenario;
  const config = {
    id, orgId, name: assistant.name,
    createdAt: iso(at - 86400000), updatedAt: iso(at - 3600000),
    voice: { provider: '11labs', voiceId: 'sarah', model: 'eleven_turbo_v2_5', stability: 0.5, similarityBoost: 0.75 },
    model: {
      provider: 'openai', model: 'gpt-4o', temperature: 0.4, maxTokens: 250,
      messages: [{ role: 'system', content: assistant.prompt.join('\n') }],
      tools: (assistant.tools ?? []).map((tool) => toolConfig(tool, server)),
    },
    transcriber: { provider: 'deepgram', model: 'nova-2', language: scenario.language === 'es' ? 'es' : 'en' },
    firstMessage: assistant.firstMessage ?? '',
    firstMessageMode: 'assistant-speaks-first',
    recordingEnabled: true, silenceTimeoutSeconds: 30, maxDurationSeconds: 1800, backgroundSound: 'office',
    endCallPhrases: ['goodbye', 'have a nice day'],
    monitorPlan: { listenEnabled: true, controlEnabled: true },
    startSpeakingPlan: { waitSeconds: 0.4, smartEndpointingEnabled: 'livekit' },
    server: serverConfig(server),
  };
  if (subscribed)
    config.serverMessages = subscribed;
  return config;
}

function serverConfig(server) {
  const config = { url: server.url, timeoutSeconds: server.timeoutSeconds, secret: server.secret };
  if (server.retries > 0)
    config.backoffPlan = { type: server.backoffType, maxRetries: server.retries, baseDelaySeconds: server.baseDelaySeconds };
  return config;
}

function toolConfig(tool, server) {
  return {
    type: 'function', async: Boolean(tool.async),
    function: {
      name: tool.name, description: tool.description ?? '',
      parameters: tool.parameters ?? { type: 'object', properties: {} },
    },
    messages: [{ type: 'request-start', content: tool.start ?? 'One moment, please.' },
      { type: 'request-failed', content: 'I am sorry, that did not work.' }],
    server: { url: server.url, secret: server.secret, timeoutSeconds: server.timeoutSeconds },
  };
}

export function callObject({ id, orgId, scenario, at, controlUrl, listenUrl, assistantId, phoneNumberId, telephonyId }) {
  const web = scenario.callType === 'webCall';
  return {
    id, orgId, createdAt: iso(at), updatedAt: iso(at), type: scenario.callType ?? 'inboundPhoneCall',
    costs: [], cost: 0, status: 'ringing',
    monitor: { listenUrl, controlUrl },
    transport: web ? { provider: 'daily' } : { provider: 'twilio', callSid: telephonyId, accountSid: 'AC00000000000000000000000000000000' },
    ...(web ? { webCallUrl: `https://example.daily.co/${id.slice(-8)}` }
      : { phoneCallProvider: 'twilio', phoneCallProviderId: telephonyId, phoneCallTransport: 'pstn', phoneNumberId }),
    assistantId, squadId: null, workflowId: null,
    customer: scenario.customer ?? { number: '+15550100001' },
  };
}

export function phoneNumberObject({ phoneNumberId, orgId, at, serverUrl }) {
  return {
    id: phoneNumberId, orgId, number: '+15550100002', provider: 'twilio', name: 'Front desk',
    createdAt: iso(at - 7 * 86400000), updatedAt: iso(at - 86400000), status: 'active',
    twilioAccountSid: 'AC00000000000000000000000000000000', twilioAuthToken: 'sim-twilio-auth-token-must-never-be-kept',
    serverUrl, serverUrlSecret: 'sim-phone-secret-must-never-be-kept', fallbackDestination: null,
  };
}

// One entry of the history in Vapi's own form; times in epoch ms, secondsFromStart in s, duration in ms.
export const entry = {
  system: (text, at, start) => ({ role: 'system', message: text, time: at, secondsFromStart: (at - start) / 1000 }),
  bot: (text, at, end, start) => ({ role: 'bot', message: text, time: at, endTime: end, secondsFromStart: (at - start) / 1000,
    duration: end - at, source: '' }),
  user: (text, at, end, start) => ({ role: 'user', message: text, time: at, endTime: end, secondsFromStart: (at - start) / 1000,
    duration: end - at }),
  toolCalls: (calls, at, start) => ({ role: 'tool_calls', message: '', time: at, secondsFromStart: (at - start) / 1000,
    toolCalls: calls.map(({ id, name, args }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(args) } })) }),
  toolResult: (id, name, result, at, start) => ({ role: 'tool_call_result', name, toolCallId: id, result, time: at,
    secondsFromStart: (at - start) / 1000 }),
};

const OPENAI_FORM = {
  system: (e) => ({ role: 'system', content: e.message }),
  bot: (e) => ({ role: 'assistant', content: e.message }),
  assistant: (e) => ({ role: 'assistant', content: e.message }),
  user: (e) => ({ role: 'user', content: e.message }),
  tool_calls: (e) => ({ role: 'assistant', content: '', tool_calls: e.toolCalls }),
  tool_call_result: (e) => ({ role: 'tool', tool_call_id: e.toolCallId, content: e.result }),
};
export const openAiForm = (history) => history.map((e) => (OPENAI_FORM[e.role] ?? OPENAI_FORM.user)(e));

export function flatTranscript(history) {
  const label = { bot: 'AI', assistant: 'AI', user: 'User' };
  return history.filter((e) => label[e.role]).map((e) => `${label[e.role]}: ${e.message}\n`).join('');
}

// The artifact that nearly every message carries.
export function liveArtifact(history) {
  return { messages: history, messagesOpenAIFormatted: openAiForm(history), transcript: flatTranscript(history), variableValues: {},
    variables: {} };
}

// {"message": {...}} as text. `call`: {assistant, call, phoneNumber, customer, artifact} of this moment.
export function messageBody(type, at, fields, context, { legacyTime = false } = {}) {
  const { artifact, phoneNumber, customer, assistant, call } = context;
  return JSON.stringify({
    message: { timestamp: legacyTime ? iso(at) : at, type, ...fields, artifact, phoneNumber, customer, assistant, call },
  });
}

// The shapes a tool call comes in: wire (arguments an object), schema (arguments a string), docs (flat).
export const TOOL_SHAPES = {
  wire: ({ id, name, args }) => ({ id, type: 'function', function: { name, arguments: args } }),
  schema: ({ id, name, args }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(args) } }),
  docs: ({ id, name, args }) => ({ id, name, arguments: args }),
  docsParameters: ({ id, name, args }) => ({ id, name, parameters: args }),
};

export function toolCallFields(shape, calls, assistant) {
  const items = calls.map(TOOL_SHAPES[shape]);
  const config = (name) => assistant.model.tools.find((tool) => tool.function.name === name) ?? { type: 'function', function: { name } };
  const fields = { toolCallList: items, toolWithToolCallList: calls.map((call, i) => ({ ...config(call.name), toolCall: items[i] })) };
  return shape === 'wire' ? { toolCalls: items, ...fields } : fields;
}

// end-of-call-report. Presigned URLs differ at every attempt; `padBytes` adds word confidences until the report is that big.
export function reportFields({ reason, history, start, end, analysis, cost, callId, attempt, padBytes = 0, destination }) {
  const minutes = (end - start) / 60000;
  const file = (kind) => `https://storage.example.com/${callId}-${kind}.wav`;
  const presigned = (kind) => `${file(kind)}?X-Amz-Date=${end}&X-Amz-Signature=${callId.slice(-6)}${attempt}`;
  const messages = padBytes ? padHistory(history, padBytes) : history;
  const transcript = flatTranscript(history);
  const artifact = {
    ...liveArtifact(messages), transcript,
    recording: { stereoUrl: file('stereo'), mono: { combinedUrl: file('mono'), assistantUrl: file('assistant'), customerUrl: file('customer') } },
    recordingUrl: file('mono'), stereoRecordingUrl: file('stereo'), logUrl: `https://storage.example.com/${callId}.jsonl.gz`,
    presignedMonoUrl: presigned('mono'), presignedStereoUrl: presigned('stereo'), presignedUrlsExpiresAt: iso(end + 3600000),
    performanceMetrics: { turnLatencies: history.filter((e) => e.role === 'bot').map((_, i) => ({ modelLatency: 420 + (i * 37) % 200,
      voiceLatency: 180, transcriberLatency: 130, endpointingLatency: 240, turnLatency: 970 + (i * 37) % 200 })),
      turnLatencyAverage: 1020, numUserInterrupted: 0, numAssistantInterrupted: 0 },
    structuredOutputs: {},
  };
  const costs = [
    { type: 'transport', provider: 'twilio', minutes, cost: minutes * 0.008 },
    { type: 'transcriber', transcriber: { provider: 'deepgram', model: 'nova-2' }, minutes, cost: minutes * 0.01 },
    { type: 'model', model: { provider: 'openai', model: 'gpt-4o' }, promptTokens: 2100 * history.length, completionTokens: 40 * history.length,
      cost: cost * 0.3 },
    { type: 'voice', voice: { provider: '11labs', voiceId: 'sarah' }, characters: transcript.length, cost: cost * 0.3 },
    { type: 'vapi', subType: 'normal', minutes, cost: minutes * 0.05 },
    { type: 'analysis', analysisType: 'summary', model: { provider: 'openai', model: 'gpt-4o' }, promptTokens: 900, completionTokens: 90, cost: 0.003 },
  ];
  return {
    endedReason: reason, startedAt: iso(start), endedAt: iso(end), analysis, cost, costs,
    costBreakdown: { transport: costs[0].cost, stt: costs[1].cost, llm: costs[2].cost, tts: costs[3].cost, vapi: costs[4].cost, total: cost,
      llmPromptTokens: costs[2].promptTokens, llmCompletionTokens: costs[2].completionTokens, ttsCharacters: costs[3].characters,
      analysisCostBreakdown: { summary: 0.003, summaryPromptTokens: 900, summaryCompletionTokens: 90 } },
    durationMs: end - start, durationSeconds: (end - start) / 1000, durationMinutes: minutes,
    summary: analysis.summary, transcript, messages, recordingUrl: artifact.recordingUrl, stereoRecordingUrl: artifact.stereoRecordingUrl,
    ...(destination ? { destination } : {}),
    artifact,
  };
}

// Real reports grow by word confidences of the transcriber; so do these.
function padHistory(history, bytes) {
  const users = history.filter((e) => e.role === 'user').length || 1;
  const each = Math.ceil(bytes / 2 / users);
  return history.map((e) => {
    if (e.role !== 'user')
      return e;
    const words = e.message.split(' ');
    const wordLevelConfidence = [];
    for (let i = 0, size = 0; size < each; i++, size += 78)
      wordLevelConfidence.push({ word: words[i % words.length].slice(0, 8), start: i * 0.31, end: i * 0.31 + 0.28, confidence: 0.9871,
        punctuated_word: words[i % words.length].slice(0, 8) });
    return { ...e, metadata: { wordLevelConfidence } };
  });
}
