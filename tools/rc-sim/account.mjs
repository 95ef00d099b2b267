// The company: its extensions with their devices and numbers. Everybody can be named by key, extension number or id.
import { notFound } from './errors.mjs';
import { page } from './rest.mjs';

const person = (index, key, name, more = {}) => ({ key, id: `6200${index}016`, number: `10${index}`, name, type: 'User', queueMember: true, monitored: true,
  devices: [{ id: `8020${index}016`, type: 'SoftPhone', status: 'Online' }], phoneNumber: `+1555010710${index}`, ...more });

export const COMPANY = {
  id: '809646016', name: 'Harbour Kitchen', mainNumber: '+15550107000',
  extensions: [
    person(1, 'ann', 'Ann Lee', { admin: true }),
    person(2, 'bob', 'Bob Stone'),
    person(3, 'carol', 'Carol Diaz', { queueMember: false, monitored: false, monitors: true }),
    person(4, 'dan', 'Dan Webb'),
    { key: 'menu', id: '62242016', number: '1001', name: 'IVR Menu 1001', type: 'IvrMenu', devices: [] },
    { key: 'support', id: '62251016', number: '2001', name: 'Support', type: 'Department', devices: [] },
  ],
};

export class Account {
  constructor(company = COMPANY) {
    Object.assign(this, structuredClone(company));
  }

  find(who) {
    const found = this.extensions.find((e) => [e.key, e.id, e.number].includes(String(who)));
    if (!found)
      throw new Error(`nobody is called ${who}`);
    return found;
  }

  get(who) {
    return this.extensions.find((e) => [e.key, e.id, e.number].includes(String(who)));
  }

  device(id) {
    for (const extension of this.extensions)
      for (const device of extension.devices)
        if (device.id === String(id))
          return { extension, device };
    return null;
  }

  get users() {
    return this.extensions.filter((e) => e.type === 'User');
  }
}

// As GET .../extension/{id} gives it.
const extensionView = (e, accountId) => ({ id: Number(e.id), extensionNumber: e.number, name: e.name, type: e.type, status: 'Enabled', account: { id: accountId },
  contact: { firstName: e.name.split(' ')[0], lastName: e.name.split(' ')[1] ?? '' }, permissions: { admin: { enabled: Boolean(e.admin) } } });

export const ACCOUNT = [
  ['GET', '/restapi/v1.0/account/:account', { group: 'Light', permission: 'ReadAccounts', handler: ({ account }) => ({ status: 200,
    body: { id: Number(account.id), mainNumber: account.mainNumber, status: 'Confirmed' } }) }],
  ['GET', '/restapi/v1.0/account/:account/extension', { group: 'Light', permission: 'ReadAccounts', handler: (sim, { query }) => ({ status: 200,
    body: page(sim.account.extensions.map((e) => extensionView(e, sim.account.id)), query, { uri: `${sim.platformUrl}/extension` }) }) }],
  ['GET', '/restapi/v1.0/account/:account/extension/:extension', { group: 'Light', permission: 'ReadAccounts', handler: (sim, { params }) => {
    const found = sim.account.get(params.extension);
    if (!found)
      throw notFound('extensionId', params.extension);
    return { status: 200, body: extensionView(found, sim.account.id) };
  } }],
];
