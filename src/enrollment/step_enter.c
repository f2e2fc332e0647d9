/*
 * enrollment/step_enter.c
 *	  enter: start a run of another journey, and perhaps wait for its end.
 *
 * The run is started by a command (command.c), because whether the customer may
 * enter is decided as for everybody.  A run that waits is told the end of its
 * child, or that there is none, by another (child.c).
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/step.h"

/* What the last answer is. */
enum
{
	STAGE_ARRIVED,
	STAGE_CONTEXT,
	STAGE_KEY
};

static JoVerdict
enter(JoVisit *visit)
{
	const JoStep *step = visit->step;

	visit->enters = !visit->is_restart;
	visit->next = step->next;
	if (!step->u.enter.waits)
		return JO_VERDICT_GO;
	visit->state = JO_ENROLLMENT_WAITING;
	visit->due_at = JO_NO_TIME;
	if (step->u.enter.has_timeout)
		visit->due_at = jo_duration_add(visit->now, &step->u.enter.timeout,
										visit->timezone);
	return JO_VERDICT_BLOCK;
}

static JoVerdict
ask(JoVisit *visit, int stage, JoExpression *expression)
{
	visit->stage = stage;
	visit->ask = expression;
	return JO_VERDICT_ASK;
}

JoVerdict
jo_step_enter(JoVisit *visit)
{
	const JoStep *step = visit->step;

	if (visit->holdout != NULL)
	{
		visit->next = step->next;
		visit->reason = visit->holdout;
		return JO_VERDICT_GO;
	}
	if (visit->is_restart)
		return enter(visit);
	if (visit->stage == STAGE_CONTEXT)
	{
		visit->payload = visit->isnull ? NULL : DatumGetJsonbP(visit->value);
		if (visit->payload != NULL && !JB_ROOT_IS_OBJECT(visit->payload))
			return jo_visit_fail(visit, "the context of a run must be a JSON object");
	}
	if (visit->stage == STAGE_KEY && !visit->isnull)
		visit->key = TextDatumGetCString(visit->value);

	if (visit->stage < STAGE_CONTEXT && step->u.enter.context != NULL)
		return ask(visit, STAGE_CONTEXT, step->u.enter.context);
	if (visit->stage < STAGE_KEY && step->u.enter.key != NULL)
		return ask(visit, STAGE_KEY, step->u.enter.key);
	return enter(visit);
}

/* The child took too long: it goes on by itself. */
JoVerdict
jo_step_enter_due(JoVisit *visit)
{
	visit->next = visit->step->u.enter.timeout_next;
	visit->reason = "timeout";
	return JO_VERDICT_GO;
}
