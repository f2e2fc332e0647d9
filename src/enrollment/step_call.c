/*
 * enrollment/step_call.c
 *	  call: let the author's function act, and keep what it returns.
 *
 * The batch executes it (call.c): once, in the transaction that commits the
 * run's move.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_call(JoVisit *visit)
{
	const JoStep *step = visit->step;

	visit->next = step->next;
	if (visit->holdout != NULL)
	{
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	if (visit->stage == 0)
	{
		visit->stage = 1;
		visit->ask = step->u.call.expression;
		return JO_VERDICT_CALL;
	}
	jo_visit_put(visit, step->into,
				 visit->isnull ? NULL : DatumGetJsonbP(visit->value));
	return JO_VERDICT_GO;
}
