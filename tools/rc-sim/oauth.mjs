// Tokens: JWT grant, refresh, revoke, gateway tickets, RingCX exchange. Their lives are real seconds, as their holders count them.
import { ApiError, OAuthError, RingCxError } from './errors.mjs';

export const DEFAULT_OAUTH = { clientId: 'sim-client', clientSecret: 'sim-client-secret', jwts: { 'sim.jwt.ann': 'ann' }, tokenTtlS: 3600, refreshTtlS: 604800, refresh: true,
  refreshGraceMs: 10000, sessionsMax: 5, ticketTtlS: 30, ringcxTtlS: 300 };
const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'ReadAccounts CallControl WebSocketsSubscription SubscriptionWebhook SMS ReadMessages ReadCallLog ReadCallRecording ReadPresence RingSense';

export class OAuth {
  constructor({ options = {}, random, account, onViolation = () => {} }) {
    Object.assign(this, { options: { ...DEFAULT_OAUTH, ...options }, random, account, onViolation });
    this.sessions = []; // {user, access, accessUntil, refresh, refreshUntil, previous, previousUntil, dead}, oldest first
    this.tickets = new Map(); // of the gateway
    this.ringcx = new Map(); // access token -> {session, until}
    this.granted = { jwt: 0, refresh: 0, ticket: 0, ringcx: 0, revoked: 0, evicted: 0 };
  }

  // The user whose token it is; throws 401.
  bearer(header) {
    const token = header?.match(/^Bearer (.+)$/i)?.[1];
    if (!token)
      throw new ApiError(401, 'OAU-149', 'Unparsable access token');
    const session = this.sessions.find((s) => s.access === token);
    if (!session || session.dead)
      throw new ApiError(401, 'OAU-128', 'Access token corrupted');
    if (session.accessUntil <= Date.now())
      throw new ApiError(401, 'OAU-129', 'Access token expired');
    if (session.previous && session.previousUntil === Infinity)
      session.previousUntil = Date.now() + this.options.refreshGraceMs;
    return session;
  }

  // Who asks for tokens: the app, by HTTP Basic.
  client(header) {
    const text = Buffer.from(header?.match(/^Basic (.+)$/i)?.[1] ?? '', 'base64').toString();
    if (text !== `${this.options.clientId}:${this.options.clientSecret}`)
      throw new OAuthError(401, 'OAU-153', 'invalid_client', 'Client authentication is required');
  }

  // Whose budget a request for a token is on.
  userOf(form) {
    const jwt = this.options.jwts[form.get('assertion')];
    return jwt ?? this.sessions.find((s) => [s.refresh, s.previous].includes(form.get('refresh_token')))?.user ?? 'nobody';
  }

  token(form) {
    const grants = { [JWT_GRANT]: () => this.#jwt(form), refresh_token: () => this.#refresh(form) };
    const grant = grants[form.get('grant_type')];
    if (!grant)
      throw new OAuthError(400, 'OAU-250', 'unsupported_grant_type', 'Unsupported grant type');
    return grant();
  }

  #jwt(form) {
    const user = this.options.jwts[form.get('assertion')];
    if (!user)
      throw new OAuthError(400, 'OAU-213', 'invalid_grant', 'Token not found');
    const session = { user, endpoint: this.random.hex(16), id: this.random.hex(16), ttlS: this.#ttl(form) };
    const mine = this.sessions.filter((s) => s.user === user && !s.dead);
    if (mine.length >= this.options.sessionsMax) {
      mine[0].dead = true;
      this.granted.evicted++;
    }
    this.sessions.push(session);
    this.granted.jwt++;
    return this.#issue(session);
  }

  #ttl(form) {
    const wanted = Number(form.get('access_token_ttl') ?? this.options.tokenTtlS);
    if (form.has('access_token_ttl') && !(wanted >= 600 && wanted <= 3600))
      throw new OAuthError(400, 'OAU-105', 'invalid_request', 'access_token_ttl must be from 600 to 3600');
    return Math.min(wanted, this.options.tokenTtlS);
  }

  #refresh(form) {
    const given = form.get('refresh_token');
    const session = this.sessions.find((s) => s.refresh === given || s.previous === given);
    const stale = session && session.previous === given && session.previousUntil <= Date.now();
    if (stale)
      this.onViolation('refresh token used again', session.user);
    if (!session || session.dead || stale || session.refreshUntil <= Date.now())
      throw new OAuthError(400, 'OAU-210', 'invalid_grant', 'Refresh token is invalid');
    this.granted.refresh++;
    session.previous = session.refresh;
    session.previousUntil = this.options.refreshGraceMs ? Infinity : 0; // counts from the first use of the new one
    return this.#issue(session);
  }

  #issue(session) {
    const { refresh, refreshTtlS } = this.options;
    Object.assign(session, { access: `U0${this.random.hex(40)}`, accessUntil: Date.now() + session.ttlS * 1000,
      ...(refresh ? { refresh: `R0${this.random.hex(40)}`, refreshUntil: Date.now() + refreshTtlS * 1000 } : {}) });
    return { access_token: session.access, token_type: 'bearer', expires_in: session.ttlS,
      ...(refresh ? { refresh_token: session.refresh, refresh_token_expires_in: refreshTtlS } : {}),
      scope: SCOPE, owner_id: this.account.find(session.user).id, endpoint_id: session.endpoint, session_id: session.id };
  }

  // The whole session, by any of its tokens.
  revoke(token) {
    const session = this.sessions.find((s) => [s.access, s.refresh].includes(token));
    if (session)
      session.dead = true;
    this.granted.revoked++;
  }

  // --- gateway tickets: short-lived, for one connection ---

  ticket(session) {
    const token = `W0${this.random.hex(40)}`;
    this.tickets.set(token, { session, until: Date.now() + this.options.ticketTtlS * 1000, used: false });
    this.granted.ticket++;
    return token;
  }

  redeem(token) {
    const ticket = this.tickets.get(token);
    if (ticket?.used)
      this.onViolation('gateway ticket used again', ticket.session.user);
    if (!ticket || ticket.used || ticket.until <= Date.now() || ticket.session.dead)
      return null;
    ticket.used = true;
    return ticket.session;
  }

  // --- RingCX has tokens of its own ---

  exchange(form) {
    const session = this.bearer(`${form.get('rcTokenType') ?? ''} ${form.get('rcAccessToken') ?? ''}`);
    const accessToken = `cx${this.random.hex(40)}`;
    this.ringcx.set(accessToken, { session, until: Date.now() + this.options.ringcxTtlS * 1000 });
    this.granted.ringcx++;
    const { id, name } = this.account.find(session.user);
    return { accessToken, refreshToken: `cr${this.random.hex(40)}`, tokenType: 'Bearer', rcUser: { rcAccountId: this.account.id, rcUserId: id },
      agentDetails: [{ agentId: 9, firstName: name.split(' ')[0], lastName: name.split(' ')[1], mainAccountId: '1', accountId: '2' }], adminId: 7, mainAccountId: '1' };
  }

  ringcxBearer(header) {
    const found = this.ringcx.get(header?.match(/^Bearer (.+)$/i)?.[1]);
    if (!found || found.until <= Date.now() || found.session.dead)
      throw new RingCxError(401, 'login.error.unauthorized', 'Unauthorized');
    return found.session;
  }

  // Every access token has expired, as after a night.
  expireTokens() {
    this.sessions.forEach((s) => { s.accessUntil = 0; });
    this.ringcx.forEach((t) => { t.until = 0; });
  }
}

const noForm = new URLSearchParams();

export const OAUTH = [
  ['POST', '/restapi/oauth/token', { open: true, isOAuth: true, group: 'Auth', user: (sim, { form = noForm }) => sim.oauth.userOf(form), handler: (sim, { form = noForm, headers }) => {
    sim.oauth.client(headers.authorization);
    return { status: 200, body: sim.oauth.token(form) };
  } }],
  ['POST', '/restapi/oauth/revoke', { open: true, isOAuth: true, group: 'Auth', user: () => 'revoke', handler: (sim, { form = noForm, headers }) => {
    sim.oauth.client(headers.authorization);
    sim.oauth.revoke(form.get('token'));
    return { status: 200 };
  } }],
  ['POST', '/restapi/oauth/wstoken', { isOAuth: true, group: 'Auth', handler: (sim, { session }) => ({ status: 200,
    body: { uri: `${sim.platformUrl.replace(/^http/, 'ws')}/ws`, ws_access_token: sim.oauth.ticket(session), expires_in: sim.oauth.options.ticketTtlS } }) }],
];
