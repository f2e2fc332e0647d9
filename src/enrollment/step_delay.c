/*
 * enrollment/step_delay.c
 *	  delay: stay for a while, until a local time, or until a date.
 *
 * A duration counts from the clock of arrival, also when the run itself was
 * late.  A due time that is not after it goes on at once.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_delay(JoVisit *visit)
{
	return jo_due_delay(visit, &visit->step->u.delay.time,
						JO_ENROLLMENT_DELAYED, visit->step->next);
}

JoVerdict
jo_step_delay_due(JoVisit *visit)
{
	visit->next = visit->step->next;
	return JO_VERDICT_GO;
}
