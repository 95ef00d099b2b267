// Event filters: which events a subscription wants.
const KINDS = [
  ['telephony', /^\/restapi\/v1\.0\/account\/[^/]+(?:\/extension\/([^/]+))?\/telephony\/sessions$/, 'CallControl'],
  ['presence', /^\/restapi\/v1\.0\/account\/[^/]+(?:\/extension\/([^/]+))?\/presence$/, 'ReadPresence'],
  ['instant', /^\/restapi\/v1\.0\/account\/[^/]+\/extension\/([^/]+)\/message-store\/instant$/, 'ReadMessages'],
  ['messages', /^\/restapi\/v1\.0\/account\/[^/]+\/extension\/([^/]+)\/message-store$/, 'ReadMessages'],
  ['voicemail', /^\/restapi\/v1\.0\/account\/[^/]+\/extension\/([^/]+)\/voicemail$/, 'ReadMessages'],
  ['insights', /^\/ai\/ringsense\/v1\/public\/accounts\/[^/]+\/domains\/(pbx|rcx|rcv|ms-teams|nice-incontact)\/insights$/, 'RingSense'],
  ['reminder', /^\/restapi\/v1\.0\/subscription\/~$/, null],
];

// {filter, kind, of: extension or domain, query, permission}; null: there is no such filter. `owner`: the subscriber's extension, meant by ~.
export function readFilter(filter, owner) {
  const [path, search = ''] = String(filter).split('?');
  for (const [kind, pattern, permission] of KINDS) {
    const found = path.match(pattern);
    if (found)
      return { filter, kind, of: found[1] === '~' && kind !== 'insights' ? owner : found[1], query: new URLSearchParams(search), permission };
  }
  return null;
}

const TELEPHONY_QUERY = {
  direction: (values, party) => values.includes(party.direction),
  missedCall: (values, party) => String(party.missedCall) === values[0],
  phoneNumber: (values, party) => values.some((n) => [party.to.phoneNumber, party.from.phoneNumber].includes(n)),
  statusCode: (values, party) => values.some((code) => code.toLowerCase() === party.status.code.toLowerCase()),
  withRecordings: (values, party) => values[0] !== 'true' || party.recordings?.length > 0,
};

// event: {kind, of, party (telephony), type (messages)}
export function wants(filter, event) {
  if (filter.kind !== event.kind || (filter.of !== undefined && filter.of !== event.of))
    return false;
  for (const name of new Set(filter.query.keys())) {
    const values = filter.query.getAll(name);
    if (event.party && TELEPHONY_QUERY[name] && !TELEPHONY_QUERY[name](values, event.party))
      return false;
    if (name === 'type' && event.type && !values.includes(event.type))
      return false;
  }
  return true;
}
