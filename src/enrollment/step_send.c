/*
 * enrollment/step_send.c
 *	  send: hand a message to the outbox, on the first channel that can take it.
 *
 * The run leaves as soon as the message is enqueued, or deferred by a gate,
 * unless the step declares on_failure, on_withheld or more than one channel:
 * then it stays until the message is acked, withheld, or has failed for good,
 * on every channel that "fallback_on" leads to.
 *
 * Where no channel takes the message, a failure decides before a gate, and a
 * gate before a missing address, where the run goes and what the log says.
 */
#include "postgres.h"

#include "enrollment/json.h"
#include "enrollment/step.h"

int
jo_step_send_fallback(const JoGateDecision *decision)
{
	static const char *const about_consent[] = {
		"suppression", "consent", "class"
	};

	for (int i = 0; i < lengthof(about_consent); i++)
		if (strcmp(decision->gate, about_consent[i]) == 0)
			return JO_FALLBACK_NO_CONSENT;
	return 0;
}

bool
jo_step_send_goes_on(const JoStep *step, int channel, int reason)
{
	return (step->u.send.fallback_on & reason) != 0 &&
		channel + 1 < step->u.send.nchannels;
}

void
jo_step_send_put(JoVisit *visit, const char *status, const char *channel,
				 const char *detail)
{
	Jsonb	   *output;

	if (visit->step->u.send.into == NULL)
		return;
	output = jo_json_put_string(NULL, "status", status);
	output = jo_json_put_string(output, "channel", channel);
	output = jo_json_put_string(output, "reason", detail);
	jo_visit_put(visit, visit->step->u.send.into, output);
}

/* Ask for the message on the current channel. */
static JoVerdict
try_channel(JoVisit *visit)
{
	visit->stage = 1;
	visit->channel = visit->index;
	return JO_VERDICT_COMPOSE;
}

/* No channel takes the message: go where the weightiest reason leads. */
static JoVerdict
give_up(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->stopped_by != NULL && visit->stopped_by->ends_run)
	{
		visit->reason = "capped";
		visit->withdraws = true;
		return JO_VERDICT_END;
	}
	visit->next = step->on_failure != JO_NO_STEP ?
		step->on_failure : step->next;
	if (visit->reason == NULL && visit->stopped_by != NULL)
	{
		visit->reason = "withheld";
		visit->next = step->u.send.on_withheld != JO_NO_STEP ?
			step->u.send.on_withheld : step->next;
	}
	else if (visit->reason == NULL)
		visit->reason = "no_address";
	jo_step_send_put(visit, visit->reason, NULL,
					 visit->stopped_by != NULL ? visit->stopped_by->reason :
					 NULL);
	return JO_VERDICT_GO;
}

/* The channel has not taken the message: try the next one, or give up. */
static JoVerdict
leave_channel(JoVisit *visit)
{
	const JoStep *step = visit->step;
	int			reason = JO_FALLBACK_NO_ADDRESS;

	if (visit->composed == JO_COMPOSED_FAILED ||
		visit->composed == JO_COMPOSED_TOO_LARGE)
	{
		visit->reason = visit->composed == JO_COMPOSED_FAILED ? "failed" :
			"too_large";
		reason = JO_FALLBACK_FAILED;
	}
	else if (visit->composed == JO_COMPOSED_WITHHELD)
	{
		visit->stopped_by = visit->decision;
		reason = jo_step_send_fallback(visit->decision);
		if (visit->decision->ends_run)
			return give_up(visit);
	}
	if (!jo_step_send_goes_on(step, visit->index, reason))
		return give_up(visit);
	visit->index++;
	return try_channel(visit);
}

JoVerdict
jo_step_send(JoVisit *visit)
{
	const JoStep *step = visit->step;
	bool		is_deferred = visit->composed == JO_COMPOSED_DEFERRED;

	if (visit->holdout != NULL)
	{
		visit->next = step->next;
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	if (visit->stage == 0)
		return try_channel(visit);
	if (visit->composed != JO_COMPOSED && !is_deferred)
		return leave_channel(visit);

	visit->sends = true;
	visit->stopped_by = is_deferred ? visit->decision : NULL;
	visit->awaits = step->u.send.awaits_outcome && !visit->is_handed_over;
	if (visit->awaits)
	{
		visit->state = JO_ENROLLMENT_SENDING;
		visit->due_at = JO_NO_TIME;
		return JO_VERDICT_BLOCK;
	}
	visit->next = step->next;
	visit->reason = is_deferred ? "deferred" : "enqueued";
	jo_step_send_put(visit, visit->reason,
					 step->u.send.channels[visit->channel],
					 is_deferred ? visit->decision->reason : NULL);
	return JO_VERDICT_GO;
}

void
jo_step_send_again(JoVisit *visit, int channel, JoComposed composed)
{
	visit->stage = 1;
	visit->index = channel;
	visit->composed = composed;
	if (composed == JO_COMPOSED_FAILED)
		visit->reason = "failed";
}
