/*
 * enrollment/step_send.c
 *	  send: hand a message to the outbox, on the first channel that can take it.
 *
 * The run leaves as soon as the message is enqueued, unless the step declares
 * on_failure or more than one channel: then it stays until the message is
 * acked, or has failed for good on every channel.
 */
#include "postgres.h"

#include "enrollment/step.h"

/* Ask for the message on the current channel; past the last one, give up. */
static JoVerdict
try_channel(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->index < step->u.send.nchannels)
	{
		visit->stage = 1;
		visit->channel = visit->index;
		return JO_VERDICT_COMPOSE;
	}
	visit->next = step->on_failure != JO_NO_STEP ?
		step->on_failure : step->next;
	if (visit->reason == NULL)
		visit->reason = "no_address";
	return JO_VERDICT_GO;
}

JoVerdict
jo_step_send(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->holdout != NULL)
	{
		visit->next = step->next;
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	if (visit->stage == 0)
		return try_channel(visit);
	if (visit->composed != JO_COMPOSED)
	{
		if (visit->composed == JO_COMPOSED_TOO_LARGE)
			visit->reason = "too_large";
		visit->index++;
		return try_channel(visit);
	}

	visit->sends = true;
	visit->awaits = step->u.send.awaits_outcome && !visit->is_handed_over;
	if (visit->awaits)
	{
		visit->state = JO_ENROLLMENT_SENDING;
		visit->due_at = JO_NO_TIME;
		return JO_VERDICT_BLOCK;
	}
	visit->next = step->next;
	visit->reason = "enqueued";
	return JO_VERDICT_GO;
}

void
jo_step_send_failed(JoVisit *visit, int channel)
{
	visit->stage = 1;
	visit->index = channel;
	visit->composed = JO_COMPOSED_NO_ADDRESS;
	visit->reason = "failed";
}
