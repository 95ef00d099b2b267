// Vapi's stored assistants with the semantics of its REST API: PATCH merges at the top level only, every member that is sent is replaced
// whole, the server's own members are refused, and the next GET shows the result - unless a switch says otherwise.
const SERVER_MEMBERS = ['id', 'orgId', 'createdAt', 'updatedAt', 'latestVersion', 'isServerUrlSecretSet'];
const MEMBERS = ['name', 'model', 'voice', 'transcriber', 'firstMessage', 'firstMessageMode', 'firstMessageInterruptionsEnabled', 'voicemailMessage',
  'endCallMessage', 'endCallPhrases', 'serverMessages', 'clientMessages', 'server', 'metadata', 'analysisPlan', 'artifactPlan', 'maxDurationSeconds',
  'silenceTimeoutSeconds', 'backgroundSound', 'hooks', 'variableValues', 'monitorPlan', 'startSpeakingPlan', 'stopSpeakingPlan', 'compliancePlan',
  'credentialIds', 'credentials', 'observabilityPlan', 'backgroundSpeechDenoisingPlan', 'modelOutputInMessagesEnabled', 'transportConfigurations'];

const refused = (...message) => ({ status: 400, body: { message, error: 'Bad Request', statusCode: 400 } });
const NOT_FOUND = { status: 404, body: { message: 'Assistant not found', error: 'Not Found', statusCode: 404 } };
const clone = (value) => JSON.parse(JSON.stringify(value));

export class Assistants extends Map {
  // Switches for tests.
  drafts = false; // PATCH is answered with the new state and changes nothing that is served
  lateReads = 0;  // so many GETs after a PATCH still show the state before

  #late = new Map(); // id -> {before, reads}

  read(id) {
    const late = this.#late.get(id);
    if (late && late.reads-- > 0)
      return { status: 200, body: late.before };
    return this.has(id) ? { status: 200, body: this.get(id) } : NOT_FOUND;
  }

  patch(id, bytes) {
    let sent;
    try {
      sent = JSON.parse(bytes.toString());
    } catch {
      return refused('Unexpected token in JSON');
    }
    if (!this.has(id))
      return NOT_FOUND;
    const wrong = [...Object.keys(sent).filter((key) => SERVER_MEMBERS.includes(key) || !MEMBERS.includes(key)).map((key) => `property ${key} should not exist`),
      ...(sent.model && !sent.model.provider ? ['model.provider must be one of the following values: openai, anthropic, custom-llm'] : []),
      ...(sent.model && !sent.model.model ? ['model.model should not be empty'] : [])];
    if (wrong.length)
      return refused(...wrong);
    const before = clone(this.get(id));
    const after = { ...before, ...sent, updatedAt: new Date().toISOString(), latestVersion: (before.latestVersion ?? 1) + 1 };
    if (!this.drafts) {
      this.set(id, after);
      this.#late.set(id, { before, reads: this.lateReads });
    }
    return { status: 200, body: after };
  }

  // What its calls get from now on.
  systemText(id) {
    return this.get(id)?.model?.messages?.find((m) => m.role === 'system')?.content;
  }
}
