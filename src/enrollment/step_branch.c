/*
 * enrollment/step_branch.c
 *	  branch: the first arm whose condition is true, else the other way.
 *
 * Conditions are asked one after the other, so that one that would raise is
 * never evaluated for a run that an earlier arm has taken.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_branch(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->stage == 0)
		visit->stage = 1;
	else if (jo_answer_is_true(visit))
	{
		visit->next = step->u.branch.arms[visit->index].next;
		visit->reason = psprintf("branch %d", visit->index + 1);
		return JO_VERDICT_GO;
	}
	else
		visit->index++;

	if (visit->index < step->u.branch.narms)
	{
		visit->ask = step->u.branch.arms[visit->index].when;
		return JO_VERDICT_ASK;
	}
	visit->next = step->u.branch.otherwise;
	visit->reason = "else";
	return JO_VERDICT_GO;
}
