/*
 * enrollment/step_update.c
 *	  update: put values into the context.
 *
 * As in SQL's UPDATE, every expression sees the context as it was on arrival.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_update(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->stage == 0)
		visit->stage = 1;
	else
	{
		jo_visit_put(visit, step->u.update.assignments[visit->index].name,
					 visit->isnull ? NULL : DatumGetJsonbP(visit->value));
		visit->index++;
	}

	if (visit->index < step->u.update.nassignments)
	{
		visit->ask = step->u.update.assignments[visit->index].value;
		return JO_VERDICT_ASK;
	}
	visit->next = step->next;
	return JO_VERDICT_GO;
}
