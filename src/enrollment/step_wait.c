/*
 * enrollment/step_wait.c
 *	  wait: stay until one of several events, or a timeout.
 *
 * Which event ends the wait is decided where every event is offered
 * (offer.c): after the goal and the exit rules, in array order.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_wait(JoVisit *visit)
{
	visit->state = JO_ENROLLMENT_WAITING;
	visit->due_at = JO_NO_TIME;
	if (visit->step->u.wait.has_timeout)
	{
		visit->due_at = jo_duration_add(visit->now,
										&visit->step->u.wait.timeout,
										visit->timezone);
		if (visit->due_at <= visit->now)
			return jo_step_wait_due(visit);
	}
	return JO_VERDICT_BLOCK;
}

JoVerdict
jo_step_wait_due(JoVisit *visit)
{
	visit->next = visit->step->u.wait.timeout_next;
	visit->reason = "timeout";
	return JO_VERDICT_GO;
}
