/* A finished call, understood: a pure function of what is stored of it and of the project's
 * rules. The same input gives the same output; docs/understanding.md documents every rule.
 *
 * Input, as JSON (made by callmend_analyst_load(), migrations/0013_analyst.sql, and analyse.c):
 *  {"call": {callmend_call members, "report": {success_evaluation, structured_data,
 * structured_outputs}, "imported": bool, "last_seq": n}, "turns":
 * [{"seq","turn","speaker","text","offset_ms"}]  in order of seq (a revision: the same turn and
 * speaker once more, or the last ones only), "tools":
 * [callmend_tool_call members + "search_argument", "requested_seq", "offset_ms", and of failed ones
 * "finished_seq", "finished_offset_ms"], "signals":
 * [{"seq","signal","score","offset_ms","evidence"}]  (raised), "commands": [callmend_intervention
 * members], "posted": null or {"outcome","label","value","reason","actor"}, "system_text": the
 * system message the assistant was seen to have, or null, "versions": [{"id","text_hash", "text" of
 * those with variables, "left_out": has variables, but its text is not given}] (to find which
 * version that was), "instruction_version": id or null,
 * "project":
 * {"id","org_id","language","fields": [],"success_rule": {},"tags": [],"searches": {tool:
 * argument}}}
 *
 * Output, as JSON = call_analyses.doc plus what goes into columns and tables:
 *  {"call_id","org_id","project_id","instruction_version","rules_version","last_seq","caller","started_at","duration_ms",
 *   "outcome": {"outcome","by","label","evidence": {"seq","offset_ms","speaker","text"} or null},
 *   "ended_class","cause_class","eligible","ineligible_because",
 *   "failure_point": null or {"key","title","seq","offset_ms","speaker","text"},
 *   "fields":
 * [{"field","label","required","state","value","confidence","how","seq","offset_ms","speaker"
 * (null when captured),"passage"}],
 *   "tags": [{"category","tag","confidence","seq","offset_ms","passage"}],
 *   "tool_failures": [{"tool_call_id","tool","kind":
 * "error|timeout|empty|unknown","error","seq","offset_ms"}], "searches":
 * [{"tool_call_id","tool","query","empty","context","at"}], "signals":
 * [{"signal","score","seq","offset_ms","text"}], "unanswered":
 * [{"question","key","seq","offset_ms"}], "last_words": null or
 * {"seq","offset_ms","speaker","text"} (the caller's), "counts": {...}} */
#ifndef CALLMEND_ANALYSIS_UNDERSTAND_H
#define CALLMEND_ANALYSIS_UNDERSTAND_H

#include "base/buf.h"
#include "base/json.h"
#include "callmend/fault.h"

/* Version of the rules in this program; part of rules_version. Raised by hand when a rule changes.
 */
#define UNDERSTAND_VERSION 2

/* `finished` is one input as above. E_INVALID: not of that form; the fault names the member. */
MUST int understand(struct json finished, struct buf *out, struct fault *f);
/* Whether a project's rules can be used: what understand() would refuse of them. For whoever takes
 * them from people. Either may be absent. */
MUST int understand_check(struct json success_rule, struct json tags, struct fault *f);

#endif
