/*
 * enrollment/step_emit.c
 *	  emit: tell an event of the customer.
 */
#include "postgres.h"

#include "enrollment/step.h"

JoVerdict
jo_step_emit(JoVisit *visit)
{
	const JoStep *step = visit->step;

	visit->next = step->next;
	if (visit->holdout != NULL)
	{
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	if (visit->stage == 0 && step->u.emit.payload != NULL)
	{
		visit->stage = 1;
		visit->ask = step->u.emit.payload;
		return JO_VERDICT_ASK;
	}
	if (visit->stage == 0)
		visit->payload = visit->context;
	else if (!visit->isnull)
		visit->payload = DatumGetJsonbP(visit->value);
	if (visit->payload != NULL && !JB_ROOT_IS_OBJECT(visit->payload))
		return jo_visit_fail(visit, "the payload of an event must be a JSON object");
	visit->emits = true;
	return JO_VERDICT_GO;
}
