/*
 * enrollment/step_exit.c
 *	  exit: the end of the run, perhaps as a conversion.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/step.h"

/* Stages: what the next answer is. */
enum
{
	STAGE_ARRIVED,
	STAGE_VALUE,
	STAGE_CURRENCY
};

static JoVerdict
end_run(JoVisit *visit)
{
	visit->reason = visit->step->u.exit.reason;
	visit->converts = visit->step->u.exit.converts;
	return JO_VERDICT_END;
}

static JoVerdict
ask(JoVisit *visit, int stage, JoExpression *expression)
{
	visit->stage = stage;
	visit->ask = expression;
	return JO_VERDICT_ASK;
}

JoVerdict
jo_step_exit(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->stage == STAGE_VALUE)
	{
		visit->has_value = !visit->isnull;
		visit->conversion_value = visit->value;
	}
	if (visit->stage == STAGE_CURRENCY && !visit->isnull)
		visit->currency = TextDatumGetCString(visit->value);

	if (visit->stage < STAGE_VALUE && step->u.exit.value != NULL)
		return ask(visit, STAGE_VALUE, step->u.exit.value);
	if (visit->stage < STAGE_CURRENCY && step->u.exit.currency != NULL)
		return ask(visit, STAGE_CURRENCY, step->u.exit.currency);
	return end_run(visit);
}
