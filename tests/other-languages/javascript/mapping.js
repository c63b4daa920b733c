// The provisioner of ../../guests/mapping in JavaScript.
import { get } from 'provender:plugin/state@0.1.0';
import { write } from 'provender:plugin/log@0.1.0';

export const plugin = {
  describe() {
    return {
      name: 'mapping-javascript',
      version: '0.1.0',
      summary: 'Makes the document of an account of a person',
      subjectKinds: [{ tag: 'person' }],
      configurationSchema: JSON.stringify({
        type: 'object',
        properties: { identifier_type: { type: 'string' } },
        required: ['identifier_type'],
        additionalProperties: false,
      }),
      slots: [],
      safeRequests: [],
      extensions: [],
    };
  },

  check() {
    return [];
  },
};

export const provisioning = {
  prepare() {
    return [];
  },

  provision(invocation) {
    if (invocation.subject.tag !== 'person') {
      return { tag: 'skipped', val: 'only people have accounts' };
    }
    const { identifier_type: identifierType } = JSON.parse(invocation.context.configuration);
    const document = JSON.stringify(account(invocation.subject.val, identifierType));
    const before = get('subject', 'account');
    if (before !== undefined && text(before) === document) {
      return { tag: 'unchanged' };
    }
    write('info', 'account mapped', [{ name: 'length', value: `${document.length}` }]);
    return { tag: 'applied', val: { identifiers: [], history: [`account of ${document.length} characters`] } };
  },

  inspect() {
    return { tag: 'unknown', val: 'the plugin does not look into its counterpart' };
  },
};

function account(person, identifierType) {
  const name = person.names.find((name) => name.primary) ?? {};
  const official = person.emailAddresses.find((email) => email.verified && email.emailType === 'official');
  const preferred = (official ?? person.emailAddresses[0])?.mail;
  return {
    name: ofType(person.identifiers, identifierType) ?? person.metadata.id,
    person: person.metadata.id,
    active: person.status.tag === 'active',
    display_name: `${name.given} ${name.family}`,
    sort_name: `${name.family}, ${name.given}`.toLowerCase(),
    mail: preferred,
    aliases: person.emailAddresses.map((email) => email.mail).filter((mail) => mail !== preferred),
    identifiers: person.identifiers.map((one) => `${one.identifierType}:${one.identifier}`),
    affiliations: [...new Set(person.roles.map((role) => role.affiliation))].sort(),
    roles: person.roles.map((role) => [role.title, role.department, role.organization].filter(Boolean).join(', ')),
    groups: person.memberships
      .map(({ group, member, owner }) => ({ name: group.name, gid: ofType(group.identifiers, 'gid'), member, owner }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

function ofType(identifiers, identifierType) {
  return identifiers.find((one) => one.identifierType === identifierType)?.identifier;
}

// QuickJS has no TextDecoder.
function text(utf8) {
  return decodeURIComponent(escape(String.fromCharCode(...utf8)));
}
