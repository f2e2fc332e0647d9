/*
 * permission/gate_halt.c
 *	  Gate "halt": somebody has pulled a kill switch.
 *
 * While everything, or a channel, is halted, claim() hands out nothing and the
 * messages keep their places; so at the enqueue this gate lets them into a
 * channel that is claimed, and holds back those of a stream, which nobody would
 * stop any more.  A message of a halted journey or topic is deferred.
 *
 * Nobody wakes a deferred message when the halt ends: it asks again after as
 * long as the halt has lasted, but at least LEAST and at most MOST.  So a short
 * halt delays little, a long one costs few questions, and what was deferred
 * comes back within MOST of unhalt().
 */
#include "postgres.h"

#include "core/clock.h"
#include "permission/evidence.h"
#include "permission/gate.h"
#include "permission/halt.h"

#define LEAST	USECS_PER_MINUTE
#define MOST	(15 * USECS_PER_MINUTE)

bool
jo_gate_halt_is_active(JoGates *gates)
{
	bool		is_active = jo_halts_begin();

	jo_halts_end();
	return is_active;
}

/* The halt that the message is about, or NULL. */
static const JoHalt *
find_halt(const JoGates *gates, const JoGateQuestion *question)
{
	const JoHalt *halt = NULL;

	if (gates->stage == JO_GATE_AT_CLAIM || question->is_stream)
	{
		halt = jo_halt_find(JO_HALT_GLOBAL, NULL);
		if (halt == NULL)
			halt = jo_halt_find(JO_HALT_CHANNEL, question->channel);
	}
	if (halt == NULL && question->journey != NULL)
		halt = jo_halt_find(JO_HALT_JOURNEY, question->journey);
	if (halt == NULL && question->topic != NULL)
		halt = jo_halt_find(JO_HALT_TOPIC, question->topic);
	return halt;
}

void
jo_gate_halt(JoGates *gates, const JoGateQuestion *question,
			 JoGateDecision *decision)
{
	const JoHalt *halt;
	JoEvidence	evidence = {0};

	(void) jo_halts_begin();
	halt = find_halt(gates, question);
	if (halt != NULL)
	{
		int64		lasted = gates->clock - halt->at;

		decision->answer = JO_GATE_DEFER;
		decision->rule = jo_halt_rule(halt);
		decision->reason = "halted";
		decision->until = gates->clock + Max(LEAST, Min(lasted, MOST));
		jo_evidence_time(&evidence, "halted_at", halt->at);
		jo_evidence_text(&evidence, "reason", halt->reason);
		decision->evidence = jo_evidence_end(&evidence);
	}
	jo_halts_end();
}
