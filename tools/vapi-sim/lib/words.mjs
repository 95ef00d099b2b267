// What a language model knows and our rule-based one has to be told: pieces of information, the words for them and the question for each, and the
// sentences of a conversation. English and Spanish; {value}, {what} ... are filled in.

const said = (en, es) => ({ en, es });

// words: how instructions name it (accents folded; a word also matches its plural). ask: what is asked when the instructions do not word it.
// tell: how a caller says it.
export const INFORMATION = {
  name: { words: ['name', 'nombre'], ask: said('May I have your name, please?', '¿A qué nombre, por favor?'), tell: said(['{value}.', 'My name is {value}.'], ['{value}.', 'Me llamo {value}.']) },
  email: { words: ['e-mail', 'e mail', 'email', 'correo'], ask: said('What is your email address?', '¿Cuál es su correo electrónico?'), tell: said(['It is {value}.', 'Sure, {value}.'], ['Es {value}.', 'Sí, {value}.']) },
  phone: { words: ['phone', 'telephone', 'callback number', 'telefono'], ask: said('What is your phone number?', '¿Cuál es su número de teléfono?'), tell: said(['It is {value}.'], ['Es el {value}.']) },
  guests: { words: ['guest', 'number of people', 'party size', 'how many', 'comensal', 'persona', 'cuantas'], ask: said('For how many guests?', '¿Para cuántas personas?'), tell: said(['For {value}.', '{value}, please.'], ['Para {value}.', 'Somos {value}.']) },
  day: { words: ['day', 'date', 'dia', 'fecha'], ask: said('For what day would that be?', '¿Para qué día sería?'), tell: said(['On {value}.', '{value}.'], ['El {value}.', 'Para el {value}.']) },
  time: { words: ['time', 'hora'], ask: said('At what time?', '¿A qué hora?'), tell: said(['At {value}.', 'Around {value}.'], ['A las {value}.']) },
  address: { words: ['address', 'direccion'], ask: said('What is your address?', '¿Cuál es su dirección?'), tell: said(['It is {value}.'], ['Es {value}.']) },
  occasion: { words: ['occasion', 'ocasion'], ask: said('Is there a special occasion?', '¿Hay alguna ocasión especial?'), tell: said(['It is {value}.'], ['Es {value}.']) },
  allergies: { words: ['allerg', 'alerg'], ask: said('Are there any allergies?', '¿Hay alguna alergia?'), tell: said(['{value}.'], ['{value}.']) },
  budget: { words: ['budget', 'presupuesto'], ask: said('What is your budget?', '¿Cuál es su presupuesto?'), tell: said(['About {value}.'], ['Unos {value}.']) },
};

export const ASSISTANT = {
  ask: said('Could you tell me your {what}?', '¿Me puede decir su {what}?'),
  again: said('I am sorry, I did not get that. Slowly, part by part, please: {question}', 'Perdón, no lo he entendido. Despacio, parte por parte, por favor: {question}'),
  once_more: said('To be sure, once more: {question}', 'Para estar seguros, otra vez: {question}'),
  because: said('We only need this to send you the confirmation.', 'Solo lo necesitamos para enviarle la confirmación.'),
  accept: said('That is fine.', 'De acuerdo.'),
  sorry: said('I am sorry about that.', 'Lo siento.'),
  hand_over: said('If you prefer, a colleague can take over.', 'Si lo prefiere, puede atenderle un compañero.'),
  confirm: said('So that is {details}. Is that right?', 'Entonces: {details}. ¿Es correcto?'),
  wait: said('One moment, please.', 'Un momento, por favor.'),
  done: said('That is done, everything is arranged.', 'Ya está, todo queda arreglado.'),
  failed: said('I am sorry, that did not work.', 'Lo siento, no ha funcionado.'),
  technical: said('There is a technical problem, let me try it once more.', 'Hay un problema técnico, lo intento una vez más.'),
  call_back: said('A colleague will call you back.', 'Un compañero le devolverá la llamada.'),
  no_answer: said('I do not have that information.', 'No tengo esa información.'),
  honest: said('I do not know that for sure, but a colleague will call you back with the answer.', 'No lo sé con seguridad, pero un compañero le llamará con la respuesta.'),
  anything_else: said('Is there anything else I can do for you?', '¿Puedo ayudarle en algo más?'),
  goodbye: said('Thank you for calling, goodbye.', 'Gracias por llamar, adiós.'),
};

export const CALLER = {
  refuse: said(['I would rather not say.', 'I prefer not to give that out.'], ['Prefiero no decirlo.', 'No quiero dar ese dato.']),
  unknown: said(['I am not sure, I would have to look.'], ['No estoy seguro, tendría que mirarlo.']),
  mumble: said(['Well, the usual one, you know, as always.', 'Hm, let me think, the line is bad here.'], ['Bueno, lo de siempre, ya sabe.', 'Eh, un momento, se oye muy mal.']),
  annoyed: said(['You have asked me that {times} times. This is ridiculous!', 'I have already told you! This is ridiculous, you are not listening to me.'],
    ['¡Ya me lo ha preguntado {times} veces! Esto es ridículo.', '¡Ya se lo he dicho! Esto es ridículo.']),
  leave: said(['I do not have time for this.'], ['No tengo tiempo para esto.']),
  yes: said(['Yes, that is right.', 'Yes, correct.'], ['Sí, es correcto.', 'Sí, eso es.']),
  no_more: said(['No, that is all, thank you.'], ['No, eso es todo, gracias.']),
  bye: said(['Thank you, bye.', 'Okay, goodbye.'], ['Gracias, adiós.']),
};

// Lower case, without accents, apostrophes dropped: what is compared.
export const fold = (text) => text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase().replace(/['’]/g, '');
