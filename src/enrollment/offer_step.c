/*
 * enrollment/offer_step.c
 *	  What an event does to the step where a run stays: a branch of a wait is
 *	  taken or noted, a digest collects, or the step's time starts again.
 *
 * Branches come in array order, events and conditions mixed; a condition is one
 * for the events that it names, or for every one.  In a ranked wait only the
 * branches before the one that is noted can still change the result, so only
 * they are asked.  A restart comes last: an event that took the run is used up.
 */
#include "postgres.h"

#include "enrollment/offer.h"

/* The restart of the step that the run stays at, or NULL. */
const JoRestart *
jo_offer_restart(const JoGraph *graph, int step_number,
				 JoEnrollmentState state)
{
	const JoStep *step = &graph->steps[step_number];
	const JoRestart *restart = NULL;

	if (step->verb == JO_DELAY && state == JO_ENROLLMENT_DELAYED)
		restart = &step->u.delay.restart;
	else if (step->verb == JO_WAIT && state == JO_ENROLLMENT_WAITING &&
			 step->u.wait.has_timeout)
		restart = &step->u.wait.restart;
	return restart != NULL && restart->match.on != NULL ? restart : NULL;
}

static List *
add_branches(const JoRun *run, List *candidates)
{
	const JoStep *step = &run->graph->steps[run->step];
	int			happened = jo_progress_happened(run);
	int			n = happened >= 0 ? happened : step->u.wait.nbranches;

	for (int i = 0; i < n; i++)
		if (jo_route_matches(&step->u.wait.branches[i], run))
			candidates = jo_offer_add(candidates, JO_CANDIDATE_BRANCH,
									  &step->u.wait.branches[i], NULL, i);
	return candidates;
}

/* Add what the run's event may do to its step. */
List *
jo_offer_step(const JoRun *run, List *candidates)
{
	const JoStep *step = &run->graph->steps[run->step];
	const JoRestart *restart;

	if (run->state == JO_ENROLLMENT_WAITING && step->verb == JO_WAIT)
		candidates = add_branches(run, candidates);
	else if (run->state == JO_ENROLLMENT_WAITING &&
			 step->verb == JO_DIGEST &&
			 jo_route_matches(&step->u.digest.match, run))
		candidates = jo_offer_add(candidates, JO_CANDIDATE_DIGEST,
								  &step->u.digest.match, NULL, 0);
	restart = jo_offer_restart(run->graph, run->step, run->state);
	if (restart != NULL && run->restarts < restart->max &&
		jo_route_matches(&restart->match, run))
		candidates = jo_offer_add(candidates, JO_CANDIDATE_RESTART,
								  &restart->match, NULL, 0);
	return candidates;
}

/* The branch has happened: take it, or note it and let a restart be tried. */
static JoStepAnswer
take_branch(JoBatch *batch, JoRun *run, int index)
{
	JoVisit    *visit = jo_visit_begin(run);

	if (visit->step->u.wait.is_ranked)
	{
		if (visit->happened < 0 || index < visit->happened)
			jo_progress_note(run, index);
		return JO_STEP_GOES_ON;
	}
	(void) jo_step_wait_take(visit, index);
	jo_run_leave(batch, run);
	return JO_STEP_MOVED;
}

static JoStepAnswer
collect(JoBatch *batch, JoRun *run)
{
	const char *reason = jo_digest_collect(batch, run);
	JoVisit    *visit;

	if (reason == NULL)
		return JO_STEP_STAYED;
	visit = jo_visit_begin(run);
	(void) jo_step_digest_due(visit);
	visit->reason = reason;
	jo_run_leave(batch, run);
	return JO_STEP_MOVED;
}

/* A candidate of the step matches. */
JoStepAnswer
jo_offer_step_takes(JoBatch *batch, JoRun *run, const JoCandidate *candidate)
{
	switch (candidate->kind)
	{
		case JO_CANDIDATE_BRANCH:
			return take_branch(batch, run, candidate->index);
		case JO_CANDIDATE_DIGEST:
			return collect(batch, run);
		default:
			jo_run_restart(batch, run);
			return JO_STEP_MOVED;
	}
}
