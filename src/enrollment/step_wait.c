/*
 * enrollment/step_wait.c
 *	  wait: stay until one of several events or conditions, or a timeout.
 *
 * A condition that is true on arrival counts: here they are tested in array
 * order, and the first that is true is taken before any waiting.  Which event
 * ends the wait, and whether it makes a condition true, is decided where every
 * event is offered (offer.c): after the goal and the exit rules, in array
 * order.  Conditions are never tested at any other time.
 *
 * In a ranked wait everybody stays until the timeout.  The first branch in
 * array order that has happened so far is noted with the run ("happened"), and
 * the timeout takes it.
 */
#include "postgres.h"

#include "enrollment/step.h"

/* Stages: what the next answer is. */
enum
{
	STAGE_ARRIVED,
	STAGE_CONDITION,			/* of branch visit->index */
	STAGE_TIMEOUT				/* and beyond: step_due.c's */
};

/* Why a branch was taken, in a word: its event, or its number. */
static const char *
branch_reason(const JoStep *step, int index)
{
	const char *on = step->u.wait.branches[index].on;

	return on != NULL ? on : psprintf("branch %d", index + 1);
}

JoVerdict
jo_step_wait_take(JoVisit *visit, int index)
{
	visit->next = visit->step->u.wait.branches[index].next;
	visit->reason = branch_reason(visit->step, index);
	return JO_VERDICT_GO;
}

/* The timeout: a ranked wait takes what has happened. */
static JoVerdict
time_out(JoVisit *visit)
{
	if (visit->happened >= 0)
	{
		visit->takes_happened = true;
		return jo_step_wait_take(visit, visit->happened);
	}
	visit->next = visit->step->u.wait.timeout_next;
	if (visit->reason == NULL)
		visit->reason = "timeout";
	return JO_VERDICT_GO;
}

/* Stay until the timeout, or for ever. */
static JoVerdict
block_until_timeout(JoVisit *visit)
{
	const JoStep *step = visit->step;
	JoVerdict	verdict;

	if (!step->u.wait.has_timeout)
		return jo_due_block(visit, DT_NOEND, JO_ENROLLMENT_WAITING,
							JO_NO_STEP);
	if (step->u.wait.has_date)
		verdict = jo_due_at_date(visit, &step->u.wait.date,
								 JO_ENROLLMENT_WAITING,
								 step->u.wait.timeout_next);
	else
	{
		if (!step->u.wait.timeout.is_elapsed)
			(void) jo_due_zone(visit);
		verdict = jo_due_block(visit,
							   jo_duration_add(visit->now,
											   &step->u.wait.timeout,
											   visit->timezone),
							   JO_ENROLLMENT_WAITING,
							   step->u.wait.timeout_next);
	}
	if (verdict == JO_VERDICT_GO && !visit->skips)
		return time_out(visit);
	return verdict;
}

/*
 * Ask whether the next condition is true.  False: there is none that could
 * still be taken.  A restart is no arrival.
 */
static bool
ask_condition(JoVisit *visit)
{
	const JoStep *step = visit->step;
	int			n = visit->happened >= 0 ?
	visit->happened : step->u.wait.nbranches;

	if (visit->is_restart)
		return false;
	while (visit->index < n && step->u.wait.branches[visit->index].on != NULL)
		visit->index++;
	if (visit->index >= n)
		return false;
	visit->stage = STAGE_CONDITION;
	visit->ask = step->u.wait.branches[visit->index].when;
	return true;
}

JoVerdict
jo_step_wait(JoVisit *visit)
{
	if (visit->stage == STAGE_CONDITION)
	{
		if (jo_answer_is_true(visit))
		{
			if (!visit->step->u.wait.is_ranked)
				return jo_step_wait_take(visit, visit->index);
			visit->happened = visit->index;
			visit->notes_happened = true;
		}
		visit->index++;
	}
	if (visit->stage < STAGE_TIMEOUT)
	{
		if (ask_condition(visit))
			return JO_VERDICT_ASK;
		visit->stage = STAGE_TIMEOUT;
	}
	return block_until_timeout(visit);
}

JoVerdict
jo_step_wait_due(JoVisit *visit)
{
	return time_out(visit);
}
