/*
 * enrollment/step_split.c
 *	  split: one of several arms by a stable hash of the customer.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_split(JoVisit *visit)
{
	const JoStep *step = visit->step;
	int			arm = jo_arm_of(step->u.split.experiment, step->u.split.salt,
								visit->customer_id, step->u.split.arms,
								step->u.split.narms);

	visit->arm = step->u.split.arms[arm].name;
	visit->next = step->u.split.next[arm];
	return JO_VERDICT_GO;
}
