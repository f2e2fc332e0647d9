/*
 * enrollment/step_delay.c
 *	  delay: stay for a while.
 */
#include "postgres.h"

#include "enrollment/step.h"

/*
 * Due counts from the clock of arrival, also when the run itself was late.  A
 * due time that is not after it goes on at once.
 */
JoVerdict
jo_step_delay(JoVisit *visit)
{
	visit->due_at = jo_duration_add(visit->now,
									&visit->step->u.delay.duration,
									visit->timezone);
	if (visit->due_at <= visit->now)
		return jo_step_delay_due(visit);
	visit->state = JO_ENROLLMENT_DELAYED;
	return JO_VERDICT_BLOCK;
}

JoVerdict
jo_step_delay_due(JoVisit *visit)
{
	visit->next = visit->step->next;
	return JO_VERDICT_GO;
}
