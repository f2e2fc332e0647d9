/*
 * permission/gate_expiry.c
 *	  Gate "expiry": the message's time is over.
 */
#include "postgres.h"

#include "core/clock.h"
#include "permission/gate.h"

void
jo_gate_expiry(JoGates *gates, const JoGateQuestion *question,
			   JoGateDecision *decision)
{
	if (question->expires_at == JO_NO_TIME ||
		question->expires_at > gates->clock)
		return;
	decision->answer = JO_GATE_WITHHOLD;
	decision->reason = "expired";
}
