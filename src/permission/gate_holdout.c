/*
 * permission/gate_holdout.c
 *	  Gate "holdout": the customer is in the global holdout as it is now.
 *
 * A run that enters afterwards has no sends at all (experiment/holdout.c).  This
 * gate is for those that were under way, and for what they had enqueued: from
 * the setting on nobody in the reserved slice gets a message, but for those
 * about topics that are exempt.
 */
#include "postgres.h"

#include "experiment/holdout.h"
#include "permission/gate.h"

bool
jo_gate_holdout_is_active(JoGates *gates)
{
	bool		is_set;

	jo_holdout_begin();
	is_set = jo_global_holdout_is_set();
	jo_holdout_end();
	return is_set;
}

void
jo_gate_holdout(JoGates *gates, const JoGateQuestion *question,
				JoGateDecision *decision)
{
	jo_holdout_begin();
	if (jo_in_global_holdout(question->customer_id, PG_INT64_MAX) &&
		!jo_topic_is_exempt(question->topic))
	{
		decision->answer = JO_GATE_WITHHOLD;
		decision->reason = "holdout";
	}
	jo_holdout_end();
}
