// A scenario's assistant as a project has it: instructions by section, what its calls should capture, and the assistant that a source serves.

// "# heading" begins a section; text before the first is one without a name.
export function sectionsOf(prompt) {
  const sections = [{ name: '', text: '' }];
  for (const line of prompt) {
    const heading = line.match(/^#+\s+(.*)$/);
    if (heading)
      sections.push({ name: heading[1], text: '' });
    else
      sections.at(-1).text += `${line}\n`;
  }
  return sections.map(({ name, text }) => ({ name, text: text.trim() })).filter(({ name, text }) => name || text);
}

// Everything but the system message, which the project's instructions replace.
export function servedBy({ assistant }) {
  return { name: assistant.name, firstMessage: assistant.firstMessage, voice: { provider: '11labs', voiceId: 'sarah' },
    model: { provider: 'openai', model: 'gpt-4o', messages: [{ role: 'system', content: 'the instructions of the project' }],
      tools: (assistant.tools ?? []).map(({ name, description, parameters }) => ({ type: 'function', function: { name, description, parameters } })) } };
}

// What a reservation should capture; the e-mail address is what nobody has told the assistant to ask for.
export const RESERVATION_FIELDS = [
  { name: 'name', label: 'name', type: 'name', argument: 'book_table.name' },
  { name: 'guests', label: 'number of guests', type: 'number', ask: ['how many guests'], argument: 'book_table.guests' },
  { name: 'day', label: 'day', type: 'date', ask: ['what day'], argument: 'book_table.day' },
  { name: 'email', label: 'e-mail address', type: 'email' },
];
