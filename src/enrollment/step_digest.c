/*
 * enrollment/step_digest.c
 *	  digest: collect events for a time; the list of their payloads is the
 *	  output.
 *
 * The event that brought the run here is the first one, if it is one that is
 * collected.  Later ones come where every event is offered (offer.c).  What was
 * collected, and whether that is enough, is digest.c's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/step.h"

/* Stages: what the next answer is. */
enum
{
	STAGE_ARRIVED,
	STAGE_KEY,
	STAGE_WHEN,
	STAGE_TIME					/* and beyond: step_due.c's */
};

static bool
answer_is_key(const JoVisit *visit)
{
	char	   *key = visit->isnull ? NULL : TextDatumGetCString(visit->value);

	if (key == NULL || visit->run_key == NULL)
		return key == visit->run_key;
	return strcmp(key, visit->run_key) == 0;
}

/*
 * Is the event that brought the run here one to collect?  True: not known yet,
 * the next question was asked; else visit->collects says it.
 */
static bool
ask_about_cause(JoVisit *visit)
{
	const JoMatch *match = &visit->step->u.digest.match;

	if (visit->cause == NULL || strcmp(visit->cause, match->on) != 0)
		return false;
	if ((visit->stage == STAGE_KEY && !answer_is_key(visit)) ||
		(visit->stage == STAGE_WHEN && !jo_answer_is_true(visit)))
		return false;
	if (visit->stage < STAGE_KEY && match->match_key != NULL)
	{
		visit->stage = STAGE_KEY;
		visit->ask = match->match_key;
		return true;
	}
	if (visit->stage < STAGE_WHEN && match->when != NULL)
	{
		visit->stage = STAGE_WHEN;
		visit->ask = match->when;
		return true;
	}
	visit->collects = true;
	return false;
}

JoVerdict
jo_step_digest(JoVisit *visit)
{
	JoVerdict	verdict;

	if (visit->stage < STAGE_TIME)
	{
		if (ask_about_cause(visit))
			return JO_VERDICT_ASK;
		visit->stage = STAGE_TIME;
	}
	verdict = jo_due_delay(visit, &visit->step->u.digest.time,
						   JO_ENROLLMENT_WAITING, visit->step->next);
	if (verdict == JO_VERDICT_GO && visit->reason == NULL)
		visit->reason = "timeout";
	return verdict;
}

JoVerdict
jo_step_digest_due(JoVisit *visit)
{
	visit->next = visit->step->next;
	visit->reason = "timeout";
	return JO_VERDICT_GO;
}
