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

JoVerdict
jo_step_exit(JoVisit *visit)
{
	const JoStep *step = visit->step;

	switch (visit->stage)
	{
		case STAGE_ARRIVED:
			if (step->u.exit.converts && step->u.exit.value != NULL)
			{
				visit->stage = STAGE_VALUE;
				visit->ask = step->u.exit.value;
				return JO_VERDICT_ASK;
			}
			return end_run(visit);
		case STAGE_VALUE:
			visit->has_value = !visit->isnull;
			visit->conversion_value = visit->value;
			if (step->u.exit.currency != NULL)
			{
				visit->stage = STAGE_CURRENCY;
				visit->ask = step->u.exit.currency;
				return JO_VERDICT_ASK;
			}
			return end_run(visit);
		default:
			if (!visit->isnull)
				visit->currency = TextDatumGetCString(visit->value);
			return end_run(visit);
	}
}
