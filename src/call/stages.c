/* The stages in order: each sees what the ones before it emitted. */
#include "call/parts.h"

const struct stage *const stages[] = {
	&status_stage,	  &parties_stage, &speech_stage,    &transcript_stage,
	&turns_stage,	  &tools_stage,	  &checklist_stage, &commands_stage,
	&sentiment_stage, &signals_stage, &context_stage,   &intervene_stage,
	&sound_stage,	  NULL,
};
