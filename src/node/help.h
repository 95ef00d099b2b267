/* The long help of each verb: paragraphs and examples. */
#ifndef CALLMEND_NODE_HELP_H
#define CALLMEND_NODE_HELP_H

#define HELP_CALL                                                                                  \
	"CALL is the call's id, ours or the provider's, or the beginning of one (4 characters or " \
	"more)\n"                                                                                  \
	"if only one live call begins so, or the customer's number. `callmend watch` shows "       \
	"them.\n"
#define HELP_COMMAND_STATUS                                                                        \
	"exit status: 0 accepted by the provider (with --wait: the effect was seen, or cannot be " \
	"seen in\n"                                                                                \
	"this call); 1 rejected, unknown, timed out or no such call; 2 wrong usage; 3 no node "    \
	"answers.\n"

#define HELP_UP                                                                                  \
	"Without a configured database it runs a private PostgreSQL inside state_dir. Webhooks " \
	"are taken as soon as\n"                                                                 \
	"the core runs, from its local files when PostgreSQL is not there yet. SIGTERM drains: " \
	"calls may finish\n"                                                                     \
	"(core.drain_limit_ms), new ones are still taken; a second one, or Ctrl-C, stops at "    \
	"once.\n\n"                                                                              \
	"examples:\n"                                                                            \
	"  callmend up\n"                                                                        \
	"  callmend up --config /etc/callmend.yaml\n"                                            \
	"  CALLMEND_LISTEN_PORT=9000 callmend up\n"
#define HELP_CORE                                                                                 \
	"`up` starts this and starts it again when it dies. Run it yourself when something else " \
	"supervises it\n"                                                                         \
	"and the database is configured (database.url) and migrated (`callmend migrate`).\n"
#define HELP_ANALYST                                                                              \
	"`up` starts analyst.processes of these. Run more on any machine that reaches the "       \
	"database (database.url):\n"                                                              \
	"no call is analysed twice, and none is left out. SIGTERM: finishes the job in hand, at " \
	"most for\n"                                                                              \
	"analyst.drain_limit_ms.\n\n"                                                             \
	"exit status: 0 stopped as asked, with --once: nothing is due any more; 1 it could not "  \
	"start, with --once:\n"                                                                   \
	"the database does not answer.\n\n"                                                       \
	"examples:\n"                                                                             \
	"  callmend analyst\n"                                                                    \
	"  callmend analyst --once\n"
#define HELP_CHECK                                                                                \
	"Names every mistake of the configuration with its file, line and option, and reads the " \
	"files of\n"                                                                              \
	"certificates (tls.ca_file, grpc.certificate_file, grpc.key_file) as the core would. If " \
	"the "                                                                                    \
	"database answers,\n"                                                                     \
	"also tells what the events of recent calls show: a provider that does not send "         \
	"transcripts,\n"                                                                          \
	"retries that are off - with what to set.\n\n"                                            \
	"exit status: 0 good; 1 mistakes.\n\n"                                                    \
	"examples:\n"                                                                             \
	"  callmend check --config /etc/callmend.yaml\n"
#define HELP_MIGRATE                                                                              \
	"`up` does this by itself. Safe to repeat, and from several machines at once.\n\n"        \
	"examples:\n"                                                                             \
	"  callmend migrate\n"                                                                    \
	"  callmend migrate --wait && exec callmend core     where a supervisor of yours starts " \
	"the core\n"
#define HELP_TOKEN                                                                               \
	"Prints the token once; only its hash is stored. Roles: viewer looks; supervisor also "  \
	"steers calls;\n"                                                                        \
	"manager also changes projects, instructions and tools; admin also sources, tokens and " \
	"audit.\n\n"                                                                             \
	"examples:\n"                                                                            \
	"  callmend token create wallboard\n"                                                    \
	"  export CALLMEND_TOKEN=$(callmend token create me --role supervisor)\n"
#define HELP_REPLAY                                                                                \
	"Reads only; sends nothing anywhere. The journal is the one in state_dir unless a folder " \
	"is named.\n\n"                                                                            \
	"examples:\n"                                                                              \
	"  callmend replay\n"                                                                      \
	"  callmend replay /backup/journal --call 0b1f6a52-7d2e-5c1b-9a3f-2f6f0c9d8e11\n"
#define HELP_IMPORT                                                                                \
	"Brings in finished calls: they are analysed like live ones. Each FILE may be Vapi calls " \
	"(the array of\n"                                                                          \
	"GET /call, JSON lines, one call, webhook bodies), records of RingCentral's call log, "    \
	"message lists with\n"                                                                     \
	"tool calls, a transcript, or sound (WAV, Ogg Opus, MP3, raw mu-law: a file is a call); "  \
	"a folder stands\n"                                                                        \
	"for its files. Killed or stopped, the same command goes on where it stopped. Calls that " \
	"are there already\n"                                                                      \
	"are left as they are. docs/import.md has the formats.\n\n"                                \
	"exit status: 0 all fine; 1 it could not go on; 2 wrong usage; 3 some records are bad, "   \
	"the others are in.\n\n"                                                                   \
	"examples:\n"                                                                              \
	"  callmend import calls.json --source front-desk\n"                                       \
	"  callmend import transcripts/ --source front-desk --ai-label Agent --user-label Guest\n" \
	"  callmend import calls.jsonl --dry-run\n"                                                \
	"  callmend import recordings/ --source front-desk --channels assistant,customer\n"        \
	"  callmend import --pull --source front-desk --since 14d\n"
#define HELP_EXPORT                                                                              \
	"WHAT is calls, analyses or events. One JSON object a line, or CSV (RFC 4180) with its " \
	"head; oldest call\n"                                                                    \
	"first.\n\n"                                                                             \
	"exit status: 0 done; 1 failed; 2 wrong usage.\n\n"                                      \
	"examples:\n"                                                                            \
	"  callmend export calls --project booking --from 2026-01-01T00:00:00Z > calls.jsonl\n"  \
	"  callmend export analyses --format csv --output analyses.csv\n"
#define HELP_WATCH                                                                                 \
	"On a terminal: a screen of live calls, those that need somebody first, with the running " \
	"transcript of the\n"                                                                      \
	"chosen call. Keys: arrows or j k choose, Enter transcript, i say or send a text, m "      \
	"mute, "                                                                                   \
	"o hold, e end,\n"                                                                         \
	"t transfer, r pause the recording, s sort, / filter, ? help (what the columns mean, "     \
	"too), q quit.\n"                                                                          \
	"Otherwise, or with --plain: a line per event. Comes back by itself when the connection "  \
	"is lost.\n\n"                                                                             \
	"exit status: 0 stopped as asked; 1 not let in, or --for passed before --calls; 2 wrong "  \
	"usage;\n"                                                                                 \
	"3 no node answers at the start.\n\n"                                                      \
	"examples:\n"                                                                              \
	"  callmend watch\n"                                                                       \
	"  callmend watch --url https://calls.example.com\n"                                       \
	"  callmend watch --plain --for 60\n"                                                      \
	"  callmend watch --json --calls 1 | jq -r 'select(.type==\"turn\") | .speaker + \": \" "  \
	"+ .text'\n"
#define HELP_SAY                                                                                \
	HELP_CALL                                                                               \
	"The assistant speaks the text; its words in the transcript are the effect. With "      \
	"--add-message nothing is\n"                                                            \
	"spoken: the text becomes an entry of the model's history, an instruction for what it " \
	"says next.\n"                                                                          \
	"A text that begins with - goes behind --.\n\n" HELP_COMMAND_STATUS "\nexamples:\n"     \
	"  callmend say 3f2a \"A colleague will call you back today.\" --wait\n"                \
	"  callmend say +14155550123 \"Sorry, please hold on.\" --interrupt\n"                  \
	"  callmend say 3f2a \"Goodbye!\" --end-after --reason \"caller abusive\"\n"            \
	"  callmend say 3f2a \"Offer a 10% discount.\" --add-message --no-response\n"
#define HELP_MUTE                                                                              \
	HELP_CALL "The effect is that running assistant speech stops.\n\n" HELP_COMMAND_STATUS \
		  "\nexamples:\n"                                                              \
		  "  callmend mute 3f2a --wait\n"                                              \
		  "  callmend mute 3f2a --customer\n"
#define HELP_UNMUTE                                                                        \
	HELP_CALL "The effect is that the assistant speaks again.\n\n" HELP_COMMAND_STATUS \
		  "\nexamples:\n"                                                          \
		  "  callmend unmute 3f2a\n"
#define HELP_END                                           \
	HELP_CALL "\n" HELP_COMMAND_STATUS "\nexamples:\n" \
		  "  callmend end 3f2a --wait --reason \"wrong number\"\n"
#define HELP_TRANSFER                                                                             \
	HELP_CALL "\n" HELP_COMMAND_STATUS "\nexamples:\n"                                        \
		  "  callmend transfer 3f2a --number +14155550100 --say \"I put you through.\"\n" \
		  "  callmend transfer 3f2a --sip sip:desk@pbx.example.com --wait\n"              \
		  "  callmend transfer 3f2a --extension 101\n"
#define HELP_HOLD                                                                    \
	HELP_CALL "The effect is that our side's party, or the call's audio, is on " \
		  "hold.\n\n" HELP_COMMAND_STATUS "\nexamples:\n"                    \
		  "  callmend hold 3f2a --wait\n"
#define HELP_UNHOLD                                        \
	HELP_CALL "\n" HELP_COMMAND_STATUS "\nexamples:\n" \
		  "  callmend unhold 3f2a\n"
#define HELP_SUPERVISE                                                                    \
	HELP_CALL                                                                         \
	"The supervisor's telephone rings; whoever takes it is in the call. monitor: "    \
	"hears both and is heard\n"                                                       \
	"by nobody; coach: heard by our side only; barge: heard by both. RingCX takes a " \
	"number, RingCentral\n"                                                           \
	"a device, for monitor only.\n\n"
#define HELP_MONITOR                                                                         \
	HELP_SUPERVISE HELP_COMMAND_STATUS "\nexamples:\n"                                   \
					   "  callmend monitor 3f2a --number +14155550100\n" \
					   "  callmend monitor 3f2a --device 802636634016\n"
#define HELP_COACH                                         \
	HELP_SUPERVISE HELP_COMMAND_STATUS "\nexamples:\n" \
					   "  callmend coach 3f2a --number +14155550100\n"
#define HELP_BARGE                                         \
	HELP_SUPERVISE HELP_COMMAND_STATUS "\nexamples:\n" \
					   "  callmend barge 3f2a --number +14155550100 --wait\n"
#define HELP_SEND_TEXT                                                                    \
	HELP_CALL                                                                         \
	"Its delivery is the effect. Only in a conversation by text; a text that begins " \
	"with - goes behind --.\n\n" HELP_COMMAND_STATUS "\nexamples:\n"                  \
	"  callmend send-text 552242de \"A table for four at eight.\" --wait\n"
#define HELP_RECORD_PAUSE                                                                          \
	HELP_CALL "The recording holds silence instead, of the same length. Refused when nothing " \
		  "of the call is recorded.\n\n" HELP_COMMAND_STATUS "\nexamples:\n"               \
		  "  callmend record-pause 3f2a --reason \"card number\"\n"
#define HELP_RECORD_RESUME                                 \
	HELP_CALL "\n" HELP_COMMAND_STATUS "\nexamples:\n" \
		  "  callmend record-resume 3f2a\n"
#define HELP_DEMO                                                                              \
	"Starts tools/demo of the source tree: a node with its private PostgreSQL, simulated " \
	"calls, commands and\n"                                                                \
	"what came of them. All words and options behind `demo` go to it; `callmend demo -- "  \
	"--help` shows its own.\n"

#endif
