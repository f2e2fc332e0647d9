/*
 * enrollment/step_wait.c
 *	  wait: stay until one of several events, or a timeout.
 *
 * Which event ends the wait is decided where every event is offered
 * (offer.c): after the goal and the exit rules, in array order.
 */
#include "postgres.h"

#include "enrollment/step.h"

/* Stay until the timeout, or for ever. */
static JoVerdict
block_until_timeout(JoVisit *visit)
{
	const JoStep *step = visit->step;
	JoVerdict	verdict;

	if (!step->u.wait.has_timeout)
		return jo_due_block(visit, DT_NOEND, JO_ENROLLMENT_WAITING,
							JO_NO_STEP);
	if (step->u.wait.has_date)
		verdict = jo_due_at_date(visit, &step->u.wait.date,
								 JO_ENROLLMENT_WAITING,
								 step->u.wait.timeout_next);
	else
	{
		if (!step->u.wait.timeout.is_elapsed)
			(void) jo_due_zone(visit);
		verdict = jo_due_block(visit,
							   jo_duration_add(visit->now,
											   &step->u.wait.timeout,
											   visit->timezone),
							   JO_ENROLLMENT_WAITING,
							   step->u.wait.timeout_next);
	}
	if (verdict == JO_VERDICT_GO && visit->reason == NULL)
		visit->reason = "timeout";
	return verdict;
}

JoVerdict
jo_step_wait(JoVisit *visit)
{
	return block_until_timeout(visit);
}

JoVerdict
jo_step_wait_due(JoVisit *visit)
{
	visit->next = visit->step->u.wait.timeout_next;
	visit->reason = "timeout";
	return JO_VERDICT_GO;
}
