/*
 * enrollment/step_approve.c
 *	  approve: stay until a person has decided, or a timeout.
 *
 * The decision comes as a command (command.c).
 */
#include "postgres.h"

#include "enrollment/step.h"

/*
 * Nobody is asked about a run that is held out: it goes the way of somebody who
 * was let through, because what it is compared with is what happens to them.
 */
static int
shadow_of(const JoStep *step)
{
	for (int i = 0; i < step->u.approve.ndecisions; i++)
		if (strcmp(step->u.approve.decisions[i], "approved") == 0)
			return step->u.approve.next[i];
	return step->u.approve.next[0];
}

JoVerdict
jo_step_approve(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->holdout != NULL)
	{
		visit->next = shadow_of(step);
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	visit->asks = !visit->is_restart;
	visit->state = JO_ENROLLMENT_WAITING;
	visit->due_at = JO_NO_TIME;
	if (step->u.approve.has_timeout)
		visit->due_at = jo_duration_add(visit->now, &step->u.approve.timeout,
										visit->timezone);
	return JO_VERDICT_BLOCK;
}

JoVerdict
jo_step_approve_due(JoVisit *visit)
{
	visit->next = visit->step->u.approve.timeout_next;
	visit->reason = "timeout";
	return JO_VERDICT_GO;
}
